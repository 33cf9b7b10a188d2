/** The room that an opaque object of the library is built in, and the proof that it stays within. */
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>
#include <string>
#include <utility>

#include "failure.h"

namespace npu_proxy {

/**
 * A `T` in painted storage. The library's constructor paints over as much as the real object has; the last quarter of
 * `T` and the canary behind it must keep their paint, or the real object is larger than its declaration allows.
 * `make` returns the object, which C++17 builds in place: nothing is copied, so nothing needs an exported copy.
 */
template <class T>
class Guarded {
 public:
  template <class Make>
  explicit Guarded(Make&& make) {
    std::fill(std::begin(bytes_), std::end(bytes_), kPaint);
    object_ = new (bytes_) T(std::forward<Make>(make)());
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { object_->~T(); }

  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }

  /** @throws Failure self_check where the paint is gone. */
  void check(const char* name) const {
    const bool whole =
        std::all_of(bytes_ + sizeof(T) * 3 / 4, std::end(bytes_), [](std::byte byte) { return byte == kPaint; });
    if (!whole) throw Failure(Code::self_check, std::string(name) + " of this library is larger than its declaration.");
  }

 private:
  static constexpr std::byte kPaint{0xA5};
  alignas(16) std::byte bytes_[sizeof(T) + 64];
  T* object_;
};

}  // namespace npu_proxy

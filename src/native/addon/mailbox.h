/** What other threads want of an engine's thread. The lock is held to swap vectors and for nothing else. */
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "engine.h"

namespace npu_proxy {

struct Arrival {
  Request request;
  /** When it came, as now() tells. */
  int64_t at = 0;
};

struct Mail {
  std::vector<Arrival> requests;
  std::vector<uint64_t> cancels;
  bool closing = false;
};

/** Monotonic, in ns. */
inline int64_t now() { return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

class Mailbox {
 public:
  /** A failure where too many wait already. @throws Failure closed */
  std::optional<Failure> submit(Request&& request) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (mail_.closing) throw Failure(Code::closed, "The engine was closed.");
      if (waiting_ >= kMost) return Failure(Code::capacity, "Too many requests are waiting for this engine.");
      ++waiting_;
      mail_.requests.push_back({std::move(request), now()});
    }
    changed_.notify_one();
    return std::nullopt;
  }

  void cancel(uint64_t id) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      mail_.cancels.push_back(id);
    }
    changed_.notify_one();
  }

  void close() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      mail_.closing = true;
    }
    changed_.notify_one();
  }

  /** What has arrived; with `wait` sleeps until something has. */
  Mail take(bool wait) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (wait)
      changed_.wait(lock, [this] { return mail_.closing || !mail_.requests.empty() || !mail_.cancels.empty(); });
    Mail mail;
    mail.closing = mail_.closing;
    mail.requests.swap(mail_.requests);
    mail.cancels.swap(mail_.cancels);
    return mail;
  }

  /** A submitted request left the queue: it runs, or it was refused or cancelled. */
  void leave() { --waiting_; }
  size_t waiting() const { return waiting_; }

 private:
  /** The daemon queues by its own, lower limit; this one keeps a defect from growing without end. */
  static constexpr size_t kMost = 4096;
  std::mutex mutex_;
  std::condition_variable changed_;
  Mail mail_;
  std::atomic<size_t> waiting_{0};
};

}  // namespace npu_proxy

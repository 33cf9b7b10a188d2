/** Events on their way to JavaScript. */
#pragma once

#include <napi.h>

#include <memory>
#include <mutex>
#include <vector>

#include "engine.h"

namespace npu_proxy {

/**
 * JavaScript is called when the queue stops being empty and takes all there is by then: a busy JavaScript thread gets
 * fewer and larger arrays, and no engine thread ever waits for it. What piles up is bounded by the tokens that the
 * engine admitted. Does not keep the process alive.
 */
class EventQueue {
 public:
  static std::shared_ptr<EventQueue> make(Napi::Env env, const Napi::Function& callback);
  /** From any thread. */
  void push(std::vector<Event>&& events);
  /** Nothing is pushed after it. From any thread; a second call does nothing. */
  void release();

 private:
  static void deliver(Napi::Env env, Napi::Function callback, EventQueue* queue, void*);
  using Bridge = Napi::TypedThreadSafeFunction<EventQueue, void, deliver>;

  std::mutex mutex_;
  std::vector<Event> pending_;
  Bridge bridge_;
  bool released_ = false;
};

}  // namespace npu_proxy

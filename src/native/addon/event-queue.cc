#include "event-queue.h"

#include <iterator>
#include <utility>

#include "convert.h"

namespace npu_proxy {

std::shared_ptr<EventQueue> EventQueue::make(Napi::Env env, const Napi::Function& callback) {
  auto queue = std::make_shared<EventQueue>();
  // The bridge holds the queue until JavaScript has taken the last call.
  auto* hold = new std::shared_ptr<EventQueue>(queue);
  queue->bridge_ = Bridge::New(
      env, callback, "npu-proxy events", 0, 1, queue.get(),
      [](Napi::Env, std::shared_ptr<EventQueue>* hold, EventQueue*) { delete hold; }, hold);
  queue->bridge_.Unref(env);
  return queue;
}

void EventQueue::push(std::vector<Event>&& events) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (released_ || events.empty()) return;
  const bool first = pending_.empty();
  std::move(events.begin(), events.end(), std::back_inserter(pending_));
  if (first) bridge_.NonBlockingCall();
}

void EventQueue::release() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (std::exchange(released_, true)) return;
  bridge_.Release();
}

void EventQueue::deliver(Napi::Env env, Napi::Function callback, EventQueue* queue, void*) {
  std::vector<Event> events;
  {
    const std::lock_guard<std::mutex> lock(queue->mutex_);
    events.swap(queue->pending_);
  }
  if (env == nullptr || events.empty()) return;
  callback.Call({to_js(env, events)});
}

}  // namespace npu_proxy

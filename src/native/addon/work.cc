#include "work.h"

#include <memory>
#include <thread>

#include "convert.h"

namespace npu_proxy {
namespace {

struct Work {
  explicit Work(Napi::Env env) : promise(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise::Deferred promise;
  std::function<Napi::Value(Napi::Env)> result;
  std::optional<Failure> failure;
};

void settle(Napi::Env env, Napi::Function, Work* pointer) {
  const std::unique_ptr<Work> work(pointer);
  if (env == nullptr) return;  // JavaScript is going away.
  try {
    if (!work->failure) return work->promise.Resolve(work->result(env));
  } catch (const Napi::Error& error) {
    return work->promise.Reject(error.Value());
  } catch (...) {
    work->failure.emplace(current_failure(Code::inference));
  }
  work->promise.Reject(to_js(env, *work->failure).Value());
}

}  // namespace

Napi::Promise run(Napi::Env env, Code code, Job job) {
  auto work = std::make_unique<Work>(env);
  const Napi::Promise promise = work->promise.Promise();
  const auto nothing = Napi::Function::New(env, [](const Napi::CallbackInfo&) {});
  auto back = Napi::ThreadSafeFunction::New(env, nothing, "npu-proxy work", 0, 1);
  try {
    std::thread([work = work.get(), back, code, job = std::move(job)]() mutable {
      try {
        work->result = job();
      } catch (...) {
        work->failure.emplace(current_failure(code));
      }
      job = nullptr;  // What it holds is let go before JavaScript hears of the end.
      if (back.NonBlockingCall(work, settle) != napi_ok) delete work;
      back.Release();
    }).detach();
  } catch (...) {
    back.Release();
    // Not the job's doing, whatever it is: there is no memory for a stack, or there are too many threads.
    work->promise.Reject(to_js(env, Failure(Code::memory, "No thread could be started for this.")).Value());
    return promise;
  }
  work.release();
  return promise;
}

}  // namespace npu_proxy

/** NativeEngine of src/native/contract.ts. */
#pragma once

#include <napi.h>

#include <memory>

#include "engine.h"

namespace npu_proxy {

class EventQueue;

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  static Napi::Function define(Napi::Env env);
  /** loadEngine(): a promise of such an object. The classes outlive it. */
  static Napi::Value load(const Napi::CallbackInfo& info, Napi::FunctionReference* engine_class,
                          Napi::FunctionReference* tokenizer_class);
  explicit EngineObject(const Napi::CallbackInfo& info);
  ~EngineObject() override;

 private:
  Napi::Value tokenizer(const Napi::CallbackInfo& info);
  void submit(const Napi::CallbackInfo& info);
  void cancel(const Napi::CallbackInfo& info);
  Napi::Value validate_grammar(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  std::shared_ptr<Engine> engine_;
  std::shared_ptr<EventQueue> events_;
  Napi::ObjectReference tokenizer_;
  bool closed_ = false;
};

}  // namespace npu_proxy

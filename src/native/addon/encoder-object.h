/** NativeEncoder of src/native/contract.ts. */
#pragma once

#include <napi.h>

#include <memory>

#include "encoder.h"

namespace npu_proxy {

class EncoderObject : public Napi::ObjectWrap<EncoderObject> {
 public:
  static Napi::Function define(Napi::Env env);
  /** loadEncoder(): a promise of such an object. The class outlives it. */
  static Napi::Value load(const Napi::CallbackInfo& info, Napi::FunctionReference* encoder_class);
  explicit EncoderObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value vocabulary(const Napi::CallbackInfo& info);
  Napi::Value tokenize(const Napi::CallbackInfo& info);
  Napi::Value tokenize_pair(const Napi::CallbackInfo& info);
  Napi::Value run_rows(const Napi::CallbackInfo& info);

  std::shared_ptr<Encoder> encoder_;
};

}  // namespace npu_proxy

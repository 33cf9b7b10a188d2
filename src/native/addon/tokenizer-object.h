/** NativeTokenizer of src/native/contract.ts. */
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "genai.h"

namespace npu_proxy {

class TokenizerObject : public Napi::ObjectWrap<TokenizerObject> {
 public:
  /** The class, to be kept as long as the addon: it is not exported. */
  static Napi::Function define(Napi::Env env);
  static Napi::Object make(Napi::Env env, const Napi::Function& constructor, ov::genai::Tokenizer tokenizer);
  explicit TokenizerObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value encode(const Napi::CallbackInfo& info);
  Napi::Value decode(const Napi::CallbackInfo& info);
  Napi::Value apply_chat_template(const Napi::CallbackInfo& info);
  Napi::Value encode_chat(const Napi::CallbackInfo& info);
  Napi::Value chat_template(const Napi::CallbackInfo& info);

  ov::genai::Tokenizer tokenizer_;
};

}  // namespace npu_proxy

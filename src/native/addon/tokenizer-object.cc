#include "tokenizer-object.h"

#include <limits>
#include <utility>
#include <vector>

#include "convert.h"
#include "guarded.h"
#include "work.h"

namespace npu_proxy {
namespace {

using ov::genai::ChatHistory;
using ov::genai::JsonContainer;
using ov::genai::Tokenizer;

struct Template {
  std::string messages, tools, extra, source;
  bool generation_prompt;
};

std::string render(const Tokenizer& tokenizer, const Template& input) {
  const auto json = [](const std::string& text) { return JsonContainer::from_json_string(text); };
  const Guarded<JsonContainer> messages([&] { return json(input.messages); });
  const Guarded<ChatHistory> history([&] { return ChatHistory(*messages); });
  if (!input.tools.empty()) {
    const Guarded<JsonContainer> tools([&] { return json(input.tools); });
    history->set_tools(*tools);
  }
  if (!input.extra.empty()) {
    const Guarded<JsonContainer> extra([&] { return json(input.extra); });
    history->set_extra_context(*extra);
  }
  messages.check("JsonContainer");
  history.check("ChatHistory");
  using ov::genai::no_json;
  return tokenizer.apply_chat_template(*history, input.generation_prompt, input.source, no_json(), no_json());
}

Napi::String text(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsString()) throw Napi::TypeError::New(info.Env(), "A string is missing.");
  return info[index].As<Napi::String>();
}

/** The arguments (messages, options) of a method that renders. */
Template chat(const Napi::CallbackInfo& info) {
  if (!info[1].IsObject()) throw Napi::TypeError::New(info.Env(), "The template's options are missing.");
  const auto options = info[1].As<Napi::Object>();
  return {text(info, 0).Utf8Value(), optional_string_field(options, "tools"), optional_string_field(options, "extra"),
          optional_string_field(options, "template"), flag_field(options, "addGenerationPrompt")};
}

/** Some tokenizers cut a long text to its last tokens without a word: those that take a limit get none. */
constexpr int64_t kNoLimit = std::numeric_limits<int32_t>::max();

std::vector<int64_t> encoded(Tokenizer& tokenizer, const std::string& text, bool special) {
  const ov::Tensor ids = tokenizer.encode(text, {{"add_special_tokens", special}, {"max_length", kNoLimit}}).input_ids;
  const int64_t* first = ids.data<int64_t>();
  return std::vector<int64_t>(first, first + ids.get_size());
}

}  // namespace

Napi::Function TokenizerObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeTokenizer",
      {InstanceMethod("encode", &TokenizerObject::encode), InstanceMethod("decode", &TokenizerObject::decode),
       InstanceMethod("applyChatTemplate", &TokenizerObject::apply_chat_template),
       InstanceMethod("encodeChat", &TokenizerObject::encode_chat),
       InstanceAccessor<&TokenizerObject::chat_template>("chatTemplate", napi_enumerable)});
}

Napi::Object TokenizerObject::make(Napi::Env env, const Napi::Function& constructor, Tokenizer tokenizer) {
  return constructor.New({Napi::External<Tokenizer>::New(env, &tokenizer)});
}

TokenizerObject::TokenizerObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<TokenizerObject>(info), tokenizer_(*info[0].As<Napi::External<Tokenizer>>().Data()) {}

Napi::Value TokenizerObject::encode(const Napi::CallbackInfo& info) {
  const bool special = info[1].ToBoolean();
  return run(info.Env(), Code::invalid, [tokenizer = tokenizer_, input = text(info, 0).Utf8Value(), special]() mutable {
    return [ids = encoded(tokenizer, input, special)](Napi::Env env) { return to_js(env, ids); };
  });
}

Napi::Value TokenizerObject::decode(const Napi::CallbackInfo& info) {
  const bool skip = info[1].ToBoolean();
  return run(info.Env(), Code::invalid, [tokenizer = tokenizer_, ids = tokens(info[0]), skip]() mutable {
    std::string result = ids.empty() ? "" : tokenizer.decode(ids, {{"skip_special_tokens", skip}});
    return [result = std::move(result)](Napi::Env env) { return Napi::String::New(env, result); };
  });
}

Napi::Value TokenizerObject::apply_chat_template(const Napi::CallbackInfo& info) {
  return run(info.Env(), Code::chat_template, [tokenizer = tokenizer_, input = chat(info)] {
    return [result = render(tokenizer, input)](Napi::Env env) { return Napi::String::New(env, result); };
  });
}

Napi::Value TokenizerObject::encode_chat(const Napi::CallbackInfo& info) {
  return run(info.Env(), Code::chat_template, [tokenizer = tokenizer_, input = chat(info)]() mutable {
    return [ids = encoded(tokenizer, render(tokenizer, input), false)](Napi::Env env) { return to_js(env, ids); };
  });
}

Napi::Value TokenizerObject::chat_template(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), tokenizer_.get_chat_template());
}

}  // namespace npu_proxy

#include "encoder-object.h"

#include <algorithm>
#include <utility>

#include "convert.h"
#include "work.h"

namespace npu_proxy {
namespace {

Head head(const Napi::Object& options) {
  const std::string name = string_field(options, "head");
  if (name == "mean") return Head::mean;
  if (name == "cls") return Head::cls;
  if (name == "last") return Head::last;
  if (name == "score") return Head::score;
  throw Napi::TypeError::New(options.Env(), "head must be mean, cls, last or score.");
}

EncoderOptions encoder_options(const Napi::Value& value) {
  if (!value.IsObject()) throw Napi::TypeError::New(value.Env(), "loadEncoder needs an object.");
  const auto fields = value.As<Napi::Object>();
  EncoderOptions options;
  options.directory = string_field(fields, "directory");
  options.device = string_field(fields, "device");
  options.head = head(fields);
  options.max_tokens = static_cast<size_t>(std::max(1.0, number_field(fields, "maxTokens")));
  options.fixed = flag_field(fields, "fixed");
  options.requests = static_cast<size_t>(std::max(1.0, number_field(fields, "requests")));
  options.properties = properties_field(fields, "properties");
  if (!fields.Get("alone").IsUndefined()) options.alone = properties_field(fields, "alone");
  return options;
}

std::vector<std::string> strings(const Napi::Value& value) {
  if (!value.IsArray()) throw Napi::TypeError::New(value.Env(), "The texts must be an array.");
  const auto array = value.As<Napi::Array>();
  std::vector<std::string> texts(array.Length());
  for (uint32_t index = 0; index < array.Length(); ++index)
    texts[index] = array.Get(index).As<Napi::String>().Utf8Value();
  return texts;
}

Napi::Object rows_object(Napi::Env env, const Rows& rows) {
  auto object = Napi::Object::New(env);
  object.Set("ids", to_js(env, rows.ids));
  object.Set("types", to_js(env, rows.types));
  object.Set("ends", to_js(env, std::vector<int64_t>(rows.ends.begin(), rows.ends.end())));
  return object;
}

/** Ends that fall behind the ids, or go back, would be read beyond the vectors. */
Rows rows_of(const Napi::Value& value) {
  if (!value.IsObject()) throw Napi::TypeError::New(value.Env(), "The rows must be an object.");
  const auto fields = value.As<Napi::Object>();
  const std::vector<int64_t> ends = tokens(fields.Get("ends"));
  Rows rows{tokens(fields.Get("ids")), tokens(fields.Get("types")), {ends.begin(), ends.end()}};
  const bool fit = rows.types.size() == rows.ids.size() && std::is_sorted(rows.ends.begin(), rows.ends.end()) &&
                   (rows.ends.empty() ? 0 : rows.ends.back()) == rows.ids.size();
  if (!fit) throw Napi::TypeError::New(value.Env(), "The rows' ends do not fit their token ids.");
  return rows;
}

}  // namespace

Napi::Function EncoderObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeEncoder",
      {InstanceAccessor<&EncoderObject::vocabulary>("vocabulary", napi_enumerable),
       InstanceMethod("tokenize", &EncoderObject::tokenize),
       InstanceMethod("tokenizePair", &EncoderObject::tokenize_pair), InstanceMethod("run", &EncoderObject::run_rows)});
}

Napi::Value EncoderObject::load(const Napi::CallbackInfo& info, Napi::FunctionReference* encoder_class) {
  return run(info.Env(), Code::load, [options = encoder_options(info[0]), encoder_class] {
    auto encoder = std::make_shared<Encoder>(options);
    return [=](Napi::Env env) mutable -> Napi::Value {
      return encoder_class->New({Napi::External<std::shared_ptr<Encoder>>::New(env, &encoder)});
    };
  });
}

EncoderObject::EncoderObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<EncoderObject>(info), encoder_(*info[0].As<Napi::External<std::shared_ptr<Encoder>>>().Data()) {}

Napi::Value EncoderObject::vocabulary(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(encoder_->vocabulary()));
}

Napi::Value EncoderObject::tokenize(const Napi::CallbackInfo& info) {
  const bool special = info[1].ToBoolean();
  return run(info.Env(), Code::inference, [encoder = encoder_, texts = strings(info[0]), special] {
    return [result = encoder->tokenize(texts, special)](Napi::Env env) { return rows_object(env, result); };
  });
}

Napi::Value EncoderObject::tokenize_pair(const Napi::CallbackInfo& info) {
  const std::string first = info[0].ToString().Utf8Value(), second = info[1].ToString().Utf8Value();
  return run(info.Env(), Code::load, [encoder = encoder_, first, second] {
    return [result = encoder->tokenize_pair(first, second)](Napi::Env env) { return rows_object(env, result); };
  });
}

Napi::Value EncoderObject::run_rows(const Napi::CallbackInfo& info) {
  return run(info.Env(), Code::inference,
             [encoder = encoder_, input = rows_of(info[0]), alone = info[1].ToBoolean().Value()] {
               return [output = encoder->run(input, alone)](Napi::Env env) {
                 auto array = Napi::Float32Array::New(env, output.size());
                 std::copy(output.begin(), output.end(), array.Data());
                 return array;
               };
             });
}

}  // namespace npu_proxy

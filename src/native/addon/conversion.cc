#include "conversion.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>

#include "bert-graph.h"
#include "convert.h"
#include "encoder-probe.h"
#include "tokenizer-graph.h"
#include "work.h"

namespace npu_proxy {
namespace {

Napi::Object object_field(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsObject()) throw Napi::TypeError::New(object.Env(), std::string(name) + " must be an object.");
  return value.As<Napi::Object>();
}

Napi::Array array_field(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsArray()) throw Napi::TypeError::New(object.Env(), std::string(name) + " must be an array.");
  return value.As<Napi::Array>();
}

template <class T>
std::vector<T> numbers_field(const Napi::Object& object, const char* name) {
  const Napi::Array array = array_field(object, name);
  std::vector<T> numbers(array.Length());
  for (uint32_t index = 0; index < array.Length(); ++index)
    numbers[index] = static_cast<T>(array.Get(index).ToNumber().DoubleValue());
  return numbers;
}

template <class T>
ov::Tensor copy(ov::element::Type type, const T* values, size_t count) {
  ov::Tensor tensor(type, {count});
  std::copy(values, values + count, tensor.data<T>());
  return tensor;
}

ov::Tensor bytes(const std::string& text) {
  return copy(ov::element::u8, reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

/** Strings as the tokenizers library takes them: where each begins and ends, and all their bytes. */
void append_strings(const Napi::Array& array, std::vector<ov::Tensor>& tensors) {
  std::string all;
  std::vector<int32_t> begins, ends;
  for (uint32_t index = 0; index < array.Length(); ++index) {
    begins.push_back(static_cast<int32_t>(all.size()));
    all += array.Get(index).ToString().Utf8Value();
    ends.push_back(static_cast<int32_t>(all.size()));
  }
  tensors.push_back(copy(ov::element::i32, begins.data(), begins.size()));
  tensors.push_back(copy(ov::element::i32, ends.data(), ends.size()));
  tensors.push_back(bytes(all));
}

void append_constant(const Napi::Value& value, std::vector<ov::Tensor>& tensors) {
  if (value.IsString()) {
    tensors.push_back(bytes(value.As<Napi::String>().Utf8Value()));
  } else if (value.IsNumber()) {
    ov::Tensor tensor(ov::element::i64, ov::Shape{});
    *tensor.data<int64_t>() = value.As<Napi::Number>().Int64Value();
    tensors.push_back(tensor);
  } else if (value.IsArray()) {
    append_strings(value.As<Napi::Array>(), tensors);
  } else if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array) {
    const auto array = value.As<Napi::Uint8Array>();
    tensors.push_back(copy(ov::element::u8, array.Data(), array.ElementLength()));
  } else if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_float32_array) {
    const auto array = value.As<Napi::Float32Array>();
    tensors.push_back(copy(ov::element::f32, array.Data(), array.ElementLength()));
  } else {
    throw Napi::TypeError::New(value.Env(), "A constant must be text, a number, texts, bytes or float32 numbers.");
  }
}

TokenizerStep step(const Napi::Object& object) {
  TokenizerStep step{string_field(object, "op"), {}, properties_field(object, "attributes")};
  const Napi::Array constants = array_field(object, "constants");
  for (uint32_t index = 0; index < constants.Length(); ++index) append_constant(constants.Get(index), step.constants);
  return step;
}

std::vector<TokenizerStep> steps_field(const Napi::Object& object, const char* name) {
  const Napi::Array array = array_field(object, name);
  std::vector<TokenizerStep> steps;
  for (uint32_t index = 0; index < array.Length(); ++index) steps.push_back(step(array.Get(index).ToObject()));
  return steps;
}

TokenizerGraph tokenizer_options(const Napi::Object& object) {
  TokenizerGraph options;
  options.library = string_field(object, "library");
  options.special = bytes(string_field(object, "special"));
  options.normalize = steps_field(object, "normalize");
  options.split = steps_field(object, "split");
  options.model = step(object_field(object, "model"));
  options.before = numbers_field<int32_t>(object, "before");
  options.after = numbers_field<int32_t>(object, "after");
  options.pad_id = static_cast<int32_t>(number_field(object, "padId"));
  options.max_tokens = static_cast<int32_t>(number_field(object, "maxTokens"));
  options.token_types = flag_field(object, "tokenTypes");
  append_strings(array_field(object, "vocabulary"), options.vocabulary);
  options.skip = numbers_field<int32_t>(object, "skip");
  options.clean = steps_field(object, "clean");
  options.info = properties_field(object, "info");
  return options;
}

ov::element::Type weight_type(Napi::Env env, const std::string& type) {
  if (type == "F32") return ov::element::f32;
  if (type == "F16") return ov::element::f16;
  if (type == "BF16") return ov::element::bf16;
  throw Napi::TypeError::New(env, "A weight must be F32, F16 or BF16.");
}

Bert bert_options(const Napi::Object& object) {
  Bert bert;
  bert.layers = static_cast<size_t>(number_field(object, "layers"));
  bert.heads = static_cast<size_t>(number_field(object, "heads"));
  bert.epsilon = static_cast<float>(number_field(object, "epsilon"));
  bert.activation = string_field(object, "activation");
  bert.first_position = static_cast<int64_t>(number_field(object, "firstPosition"));
  bert.head = string_field(object, "head");
  const Napi::Object weights = object_field(object, "weights");
  const Napi::Array names = weights.GetPropertyNames();
  for (uint32_t index = 0; index < names.Length(); ++index) {
    const std::string name = names.Get(index).ToString().Utf8Value();
    const Napi::Object weight = object_field(weights, name.c_str());
    bert.weights[name] = {string_field(weight, "file"), static_cast<size_t>(number_field(weight, "offset")),
                          weight_type(object.Env(), string_field(weight, "type")),
                          ov::Shape(numbers_field<size_t>(weight, "shape"))};
  }
  return bert;
}

}  // namespace

Napi::Value convert(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) throw Napi::TypeError::New(info.Env(), "convert needs an object.");
  const Napi::Object options = info[0].As<Napi::Object>();
  const auto into = std::filesystem::u8path(string_field(options, "into"));
  return run(info.Env(), Code::load,
             [into, bert = bert_options(object_field(options, "bert")),
              tokenizer = tokenizer_options(object_field(options, "tokenizer"))] {
               // The model last: a folder that has one has all.
               ov::save_model(tokenizer_graph(tokenizer), into / "openvino_tokenizer.xml", false);
               ov::save_model(detokenizer_graph(tokenizer), into / "openvino_detokenizer.xml", false);
               ov::save_model(bert_graph(bert), into / "openvino_model.xml", false);
               return [](Napi::Env env) { return env.Undefined(); };
             });
}

Napi::Value probe(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) throw Napi::TypeError::New(info.Env(), "probe needs a folder.");
  const auto directory = std::filesystem::u8path(info[0].As<Napi::String>().Utf8Value());
  return run(info.Env(), Code::load, [directory, ids = tokens(info[1])] {
    return [output = probe_encoder(directory, ids)](Napi::Env env) {
      auto array = Napi::Float32Array::New(env, output.size());
      std::copy(output.begin(), output.end(), array.Data());
      return array;
    };
  });
}

}  // namespace npu_proxy

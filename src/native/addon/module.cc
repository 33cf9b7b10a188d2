/** The addon's door: `Addon` of src/native/contract.ts. */
#include <napi.h>

#if defined(__linux__)
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>
#endif

#include <utility>

#include "conversion.h"
#include "convert.h"
#include "encoder-object.h"
#include "engine-object.h"
#include "self-check.h"
#include "tokenizer-object.h"
#include "work.h"

namespace npu_proxy {
namespace {

/** The classes that loadTokenizer(), loadEngine() and loadEncoder() make objects of. */
struct Classes {
  Napi::FunctionReference tokenizer, engine, encoder;
};

Classes* classes(Napi::Env env) { return env.GetInstanceData<Classes>(); }

Napi::Value die_with_parent(const Napi::CallbackInfo& info) {
#if defined(__linux__)
  // The signal comes with the parent's death: for one that died before this call it is too late, and init has adopted
  // us.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
    throw to_js(info.Env(), Failure(Code::self_check, "The kernel refused PR_SET_PDEATHSIG."));
  if (getppid() == 1) raise(SIGKILL);
#endif
  return info.Env().Undefined();
}

Napi::Value check(const Napi::CallbackInfo& info) {
  try {
    self_check();
  } catch (const Failure& failure) {
    throw to_js(info.Env(), failure);
  }
  return info.Env().Undefined();
}

Napi::Value devices(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) throw Napi::TypeError::New(info.Env(), "devices needs the kind of device.");
  return run(info.Env(), Code::device, [kind = info[0].As<Napi::String>().Utf8Value()] {
    return [found = find_devices(kind)](Napi::Env env) { return to_js(env, found); };
  });
}

Napi::Value load_tokenizer(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) throw Napi::TypeError::New(info.Env(), "loadTokenizer needs an object.");
  const std::string directory = string_field(info[0].As<Napi::Object>(), "directory");
  return run(info.Env(), Code::load, [directory] {
    // Texts are short: spreading one over the cores costs more than it brings, and takes them from the engines.
    ov::genai::Tokenizer tokenizer(std::filesystem::u8path(directory), {{"INFERENCE_NUM_THREADS", 1}});
    check_tokenizer(tokenizer);
    return
        [tokenizer](Napi::Env env) { return TokenizerObject::make(env, classes(env)->tokenizer.Value(), tokenizer); };
  });
}

Napi::Value load_engine(const Napi::CallbackInfo& info) {
  Classes* known = classes(info.Env());
  return EngineObject::load(info, &known->engine, &known->tokenizer);
}

Napi::Value load_encoder(const Napi::CallbackInfo& info) {
  return EncoderObject::load(info, &classes(info.Env())->encoder);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto* known = new Classes{Napi::Persistent(TokenizerObject::define(env)), Napi::Persistent(EngineObject::define(env)),
                            Napi::Persistent(EncoderObject::define(env))};
  env.SetInstanceData(known);
  exports.Set("openvino", ov::get_openvino_version().buildNumber);
  exports.Set("dieWithParent", Napi::Function::New(env, die_with_parent));
  exports.Set("selfCheck", Napi::Function::New(env, check));
  exports.Set("devices", Napi::Function::New(env, devices));
  exports.Set("loadTokenizer", Napi::Function::New(env, load_tokenizer));
  exports.Set("loadEngine", Napi::Function::New(env, load_engine));
  exports.Set("loadEncoder", Napi::Function::New(env, load_encoder));
  exports.Set("convert", Napi::Function::New(env, convert));
  exports.Set("probe", Napi::Function::New(env, probe));
  return exports;
}

}  // namespace
}  // namespace npu_proxy

static Napi::Object initialize(Napi::Env env, Napi::Object exports) { return npu_proxy::init(env, exports); }

NODE_API_MODULE(npu_proxy, initialize)

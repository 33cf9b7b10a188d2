/** Addon.convert and Addon.probe of src/native/contract.ts. */
#pragma once

#include <napi.h>

namespace npu_proxy {

/** A promise of nothing, kept when the model, its tokenizer and its detokenizer lie in the folder. */
Napi::Value convert(const Napi::CallbackInfo& info);

/** A promise of the output, a Float32Array. */
Napi::Value probe(const Napi::CallbackInfo& info);

}  // namespace npu_proxy

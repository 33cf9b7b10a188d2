/** Work off JavaScript's thread, as a promise. */
#pragma once

#include <napi.h>

#include <functional>
#include <optional>
#include <utility>

#include "failure.h"

namespace npu_proxy {

/** Runs on its own thread; returns what makes the result's value on JavaScript's thread. Must touch no JavaScript. */
using Job = std::function<std::function<Napi::Value(Napi::Env)>()>;

/**
 * Runs the job and settles a promise. Every job has a thread of its own: one that never ends, like a hostile chat
 * template, keeps nobody else waiting, and starting a thread costs little beside what is done here.
 * What the job throws rejects the promise with an Error whose `code` is the failure's.
 */
Napi::Promise run(Napi::Env env, Code code, Job job);

}  // namespace npu_proxy

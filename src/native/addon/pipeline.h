/** GenAI's continuous batching pipeline, made from our options. */
#pragma once

#include <memory>

#include "engine.h"

namespace npu_proxy {

/** @throws what the library throws */
std::unique_ptr<ov::genai::ContinuousBatchingPipeline> load_pipeline(const Options& options);

}  // namespace npu_proxy

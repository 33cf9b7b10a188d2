#include "pipeline.h"

namespace npu_proxy {
namespace {

ov::genai::SchedulerConfig scheduler_config(const Options& options) {
  ov::genai::SchedulerConfig config;
  config.max_num_batched_tokens = options.max_batched_tokens;
  config.max_num_seqs = options.max_sequences;
  config.enable_prefix_caching = options.prefix_caching;
  // Neither num_kv_blocks nor cache_size: the pool grows with what admission lets in.
  return config;
}

ov::AnyMap properties(const Options& options) {
  ov::AnyMap properties = options.properties;
  if (!options.draft_directory.empty())
    properties.insert(
        ov::genai::draft_model(std::filesystem::u8path(options.draft_directory), options.device, options.properties));
  return properties;
}

}  // namespace

std::unique_ptr<ov::genai::ContinuousBatchingPipeline> load_pipeline(const Options& options) {
  return std::make_unique<ov::genai::ContinuousBatchingPipeline>(
      std::filesystem::u8path(options.directory), scheduler_config(options), options.device, properties(options));
}

}  // namespace npu_proxy

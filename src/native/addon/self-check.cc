#include "self-check.h"

#include <string>
#include <utility>
#include <vector>

#include "genai.h"
#include "guarded.h"
#include "sampling.h"

namespace npu_proxy {
namespace {

#if !defined(_WIN32)
/** Every field gets a value of its own; the library must print each behind the right name, in this order. */
void check_scheduler_config() {
  ov::genai::SchedulerConfig config;
  config.max_num_batched_tokens = 1001;
  config.num_kv_blocks = 1002;
  config.cache_size = 1003;
  config.num_linear_attention_blocks = 1004;
  config.cache_interval_multiplier = 1005;
  config.dynamic_split_fuse = false;
  config.use_cache_eviction = true;
  config.cache_eviction.aggregation_mode = 0;
  config.cache_eviction.apply_rotation = true;
  config.cache_eviction.snapkv_window_size = 1006;
  config.cache_eviction.kvcrush.budget = 1007;
  config.cache_eviction.kvcrush.anchor_point_mode = 3;
  config.cache_eviction.kvcrush.rng_seed = 1008;
  config.cache_eviction.start_size = 1009;
  config.cache_eviction.recent_size = 1010;
  config.cache_eviction.max_cache_size = 1011;
  config.cache_eviction.evictable_size = 1012;
  config.max_num_seqs = 1013;
  config.enable_prefix_caching = true;
  config.use_sparse_attention = true;
  config.sparse_attention.mode = 1;
  config.sparse_attention.last_dense_tokens = 1014;
  config.sparse_attention.retained_start_tokens = 1015;
  config.sparse_attention.retained_recent_tokens = 1016;
  config.sparse_attention.xattention_threshold = 0.25F;
  config.sparse_attention.xattention_block_size = 1017;
  config.sparse_attention.xattention_stride = 1018;
  const std::vector<std::pair<std::string, std::string>> fields = {
      {"max_num_batched_tokens", "1001"},
      {"num_kv_blocks", "1002"},
      {"cache_size", "1003"},
      {"num_linear_attention_blocks", "1004"},
      {"cache_interval_multiplier", "1005"},
      {"dynamic_split_fuse", "false"},
      {"use_cache_eviction", "true"},
      {"start_size", "1009"},
      {"recent_size", "1010"},
      {"max_cache_size", "1011"},
      {"evictable_size", "1012"},
      {"aggregation_mode", "SUM"},
      {"apply_rotation", "true"},
      {"snapkv_window_size", "1006"},
      {"budget", "1007"},
      {"rng_seed", "1008"},
      {"anchor_point_mode", "MEAN"},
      {"max_num_seqs", "1013"},
      {"enable_prefix_caching", "true"},
      {"use_sparse_attention", "true"},
      {"sparseAttentionMode", "XATTENTION"},
      {"num_last_dense_tokens_in_prefill", "1014"},
      {"num_retained_start_tokens_in_cache", "1015"},
      {"num_retained_recent_tokens_in_cache", "1016"},
      {"xattention_threshold", "0.25"},
      {"xattention_block_size", "1017"},
      {"xattention_stride", "1018"},
  };
  const std::string text = config.to_string();
  size_t at = 0;
  for (const auto& [name, value] : fields) {
    at = text.find(" " + name + ": " + value + "\n", at);
    if (at == std::string::npos)
      throw Failure(Code::self_check,
                    "This library does not read SchedulerConfig's " + name + " where it is declared.");
  }
}
#endif

void check_opaque_objects() {
  using namespace ov::genai;
  const Guarded<JsonContainer> messages([] { return JsonContainer::from_json_string(R"([{"role":"user"}])"); });
  const Guarded<JsonContainer> extra([] { return JsonContainer::from_json_string(R"({"a":1})"); });
  const Guarded<ChatHistory> history([&] { return ChatHistory(*messages); });
  history->set_tools(*messages).set_extra_context(*extra);
  messages.check("JsonContainer");
  extra.check("JsonContainer");
  history.check("ChatHistory");

  for (const char* kind : {"json_schema", "regex", "grammar", "structural_tags"}) {
    const Guarded<StructuredOutputConfig> config([&] { return structured_output({kind, "{}"}); });
    const Guarded<StructuredOutputConfig> copy([&] { return StructuredOutputConfig(*config); });
    config.check("StructuredOutputConfig");
    copy.check("StructuredOutputConfig");
  }
}

}  // namespace

void self_check() {
  try {
#if !defined(_WIN32)
    check_scheduler_config();
#endif
    check_opaque_objects();
  } catch (...) {
    throw current_failure(Code::self_check);
  }
}

}  // namespace npu_proxy

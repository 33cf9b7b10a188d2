/** GenAI's SchedulerConfig: the one class of it that is declared field by field. */
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#if defined(_WIN32)
#define GENAI_API __declspec(dllimport)
#else
#define GENAI_API __attribute__((visibility("default")))
#endif

namespace ov::genai {

/** The library exports no constructor for it: every field is declared, and checked through its to_string(). */
struct SchedulerConfig {
  size_t max_num_batched_tokens = 256, num_kv_blocks = 0, cache_size = 0, num_linear_attention_blocks = 0;
  std::optional<size_t> cache_interval_multiplier;
  bool dynamic_split_fuse = true, use_cache_eviction = false;
  struct CacheEviction {
    int aggregation_mode = 1;
    bool apply_rotation = false;
    size_t snapkv_window_size = 8;
    struct {
      size_t budget = 0;
      int anchor_point_mode = 0;
      size_t rng_seed = 0;
    } kvcrush;
    struct {
      double attention_mass = 0.9;
      size_t window_size = 8;
    } adaptive_rkv;
    size_t start_size = 32, recent_size = 128, max_cache_size = 672, evictable_size = 512;
  } cache_eviction;
  size_t max_num_seqs = 256;
  bool enable_prefix_caching = false, use_sparse_attention = false;
  struct SparseAttention {
    int mode = 0;
    size_t last_dense_tokens = 100, retained_start_tokens = 128, retained_recent_tokens = 1920;
    float xattention_threshold = 0.8F;
    size_t xattention_block_size = 64, xattention_stride = 8;
  } sparse_attention;
#if !defined(_WIN32)
  GENAI_API std::string to_string() const;
#endif
};

static_assert(sizeof(void*) != 8 || sizeof(SchedulerConfig) == 216, "SchedulerConfig of GenAI 2026.4 has 216 bytes");

}  // namespace ov::genai

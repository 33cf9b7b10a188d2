/** An embedder or a reranker without JavaScript: texts to token ids, token ids to vectors or scores. */
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "encoder-graph.h"
#include "genai.h"

namespace npu_proxy {

/** What becomes of a row's token vectors: their mean, the first, the last; or a classifier's logits to a score. */
enum class Head { mean, cls, last, score };

struct EncoderOptions {
  std::string directory, device;
  ov::AnyMap properties;
  Head head = Head::mean;
  /** Longest row, in tokens. */
  size_t max_tokens = 0;
  /** Compiled for one row of just so many tokens, as the NPU needs it. */
  bool fixed = false;
  /** Runs side by side. */
  size_t requests = 1;
  /** For a run that has the machine for itself the model is compiled once more, with these; empty: it is not. */
  ov::AnyMap alone;
};

/** Rows of token ids, one behind the other. */
struct Rows {
  std::vector<int64_t> ids;
  /** Which of two texts a token belongs to: 0 or 1; as many as ids. */
  std::vector<int64_t> types;
  /** Where each row ends. */
  std::vector<size_t> ends;
};

/**
 * Its model is compiled by OpenVINO itself and its tokenizer is GenAI's. GenAI's TextEmbeddingPipeline, which does both
 * in one, takes no token ids, does not tell how many there were or what was cut, tokenizes text by text (0.7 ms each,
 * where 32 together take 0.08), and holds the weights once more for each request that runs beside another.
 * All methods may be called from any thread.
 */
class Encoder {
 public:
  /** Takes seconds to minutes. @throws Failure load, device */
  explicit Encoder(const EncoderOptions& options);
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  /** However long: nothing is cut. @throws what the library throws */
  Rows tokenize(const std::vector<std::string>& texts, bool special);
  /** A pair of texts in one row, as the tokenizer joins them. @throws what the library throws, where it cannot */
  Rows tokenize_pair(const std::string& first, const std::string& second) const;
  /**
   * One vector, or one score from 0 to 1, of each row. Waits for its turn.
   * @param alone with the model that was compiled for that, if there is one
   * @return flat, shape [rows, width]
   * @throws Failure invalid, for rows that the shape has no room for; what the library throws
   */
  std::vector<float> run(const Rows& rows, bool alone);
  size_t vocabulary() const { return vocabulary_; }

 private:
  struct Compiled {
    ov::CompiledModel model;
    std::vector<ov::InferRequest> free;
    std::condition_variable freed;
  };
  static void add_requests(Compiled& compiled, size_t count);
  std::vector<float> infer(ov::InferRequest& request, const Rows& rows) const;

  const std::string directory_;
  const Head head_;
  const size_t max_tokens_;
  const bool fixed_;
  size_t vocabulary_ = 0, output_ = 0;
  ov::genai::Tokenizer tokenizer_;
  std::mutex tokenizing_;
  std::mutex mutex_;
  Compiled together_, alone_;
};

}  // namespace npu_proxy

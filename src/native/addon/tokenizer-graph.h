/** Tokenizers and detokenizers as OpenVINO graphs, in the form that GenAI expects. */
#pragma once

#include <cstdint>
#include <memory>
#include <openvino/openvino.hpp>
#include <string>
#include <vector>

namespace npu_proxy {

/** An operation of the tokenizers library that follows another: its own constants and attributes. */
struct TokenizerStep {
  std::string op;
  std::vector<ov::Tensor> constants;
  ov::AnyMap attributes;
};

/** TokenizerGraphOptions of src/native/contract.ts. */
struct TokenizerGraph {
  /** OpenVINO's tokenizers library, absolute. */
  std::string library;
  /** A pattern of the special tokens as texts write them, u8, shape [bytes]. */
  ov::Tensor special;
  /** Over strings, then over ragged strings, then the one that makes ids of them. */
  std::vector<TokenizerStep> normalize, split;
  TokenizerStep model;
  /** Ids around a text. */
  std::vector<int32_t> before, after;
  int32_t pad_id = 0;
  /** Of a whole sequence, the ids around it included. */
  int32_t max_tokens = 0;
  /** Whether it makes token_type_ids. */
  bool token_types = false;
  /** The way back: the vocabulary as texts are spelt (begins, ends, bytes), ids that are left out, clean-up. */
  std::vector<ov::Tensor> vocabulary;
  std::vector<int32_t> skip;
  std::vector<TokenizerStep> clean;
  /** rt_info of both graphs. */
  ov::AnyMap info;
};

/** string[batch] to input_ids, attention_mask (and token_type_ids): i64, shape [batch, tokens]. @throws Failure load */
std::shared_ptr<ov::Model> tokenizer_graph(const TokenizerGraph& options);

/** i64[batch, tokens] to string_output: string[batch]. @throws Failure load */
std::shared_ptr<ov::Model> detokenizer_graph(const TokenizerGraph& options);

}  // namespace npu_proxy

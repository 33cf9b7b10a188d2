/** Encoders of the BERT family as OpenVINO graphs, made of the weights in a safetensors file. */
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <openvino/openvino.hpp>
#include <string>

namespace npu_proxy {

/** Where a tensor lies: little-endian, row-major, uncompressed. */
struct Weight {
  std::string file;
  size_t offset = 0;
  ov::element::Type type;
  ov::Shape shape;
};

/** BertOptions of src/native/contract.ts. */
struct Bert {
  /** By the names of BertModel's state: "encoder.layer.0.output.dense.weight". */
  std::map<std::string, Weight> weights;
  size_t layers = 0, heads = 0;
  float epsilon = 0;
  /** "gelu", "gelu_tanh" or "relu". */
  std::string activation;
  /** Position of the first token; RoBERTa, whose positions count no padding, begins behind its padding id. */
  int64_t first_position = 0;
  /** "none": last_hidden_state. "pooled" (BERT) and "first" (RoBERTa): a classifier over the first token, logits. */
  std::string head;
};

/**
 * Inputs input_ids, attention_mask and, where the model tells several token types apart, token_type_ids: i64, shape
 * [batch, tokens]. Output last_hidden_state, f32, shape [batch, tokens, hidden], or logits, f32, shape [batch, labels].
 * Matrices are kept in f16 where their values fit.
 * @throws Failure load, where a weight is missing or has another shape than its neighbours need
 */
std::shared_ptr<ov::Model> bert_graph(const Bert& bert);

}  // namespace npu_proxy

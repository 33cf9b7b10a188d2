/** An encoder's graph, as it is compiled: what goes in, and the one output that is used. */
#pragma once

#include <cstddef>
#include <filesystem>
#include <openvino/openvino.hpp>

namespace npu_proxy {

struct EncoderGraph {
  std::shared_ptr<ov::Model> model;
  /** Index of the output that is used: f32, of shape [rows, tokens, width] or [rows, width]. */
  size_t output = 0;
  /** Token ids that it has vectors for; 0 where the graph does not tell. */
  size_t vocabulary = 0;
};

/**
 * Reads an encoder's model.
 * @param length 0: any number of rows of any length; else one row of so many tokens, as the NPU needs it
 * @throws Failure load, for inputs or outputs that are no encoder's; what the library throws
 */
EncoderGraph read_encoder(ov::Core& core, const std::filesystem::path& directory, size_t length);

}  // namespace npu_proxy

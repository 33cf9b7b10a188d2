/** One run of an encoder, to see that a conversion made what it should. */
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace npu_proxy {

/**
 * Compiles the folder's openvino_model.xml for the CPU and runs it on one sequence of token ids.
 * @returns its first output in f32, flat: shape [1, tokens, hidden] or [1, labels]
 * @throws Failure load
 */
std::vector<float> probe_encoder(const std::filesystem::path& directory, const std::vector<int64_t>& ids);

}  // namespace npu_proxy

#include "encoder-probe.h"

#include <algorithm>
#include <openvino/openvino.hpp>

#include "failure.h"

namespace npu_proxy {

std::vector<float> probe_encoder(const std::filesystem::path& directory, const std::vector<int64_t>& ids) {
  try {
    ov::Core core;
    ov::CompiledModel model =
        core.compile_model(directory / "openvino_model.xml", "CPU", {{"INFERENCE_PRECISION_HINT", ov::element::f32}});
    ov::InferRequest request = model.create_infer_request();
    for (const auto& input : model.inputs()) {
      ov::Tensor tensor(ov::element::i64, {1, ids.size()});
      const std::string name = input.get_any_name();
      if (name == "input_ids")
        std::copy(ids.begin(), ids.end(), tensor.data<int64_t>());
      else
        std::fill_n(tensor.data<int64_t>(), ids.size(), name == "attention_mask" ? 1 : 0);
      request.set_tensor(input, tensor);
    }
    request.infer();
    const ov::Tensor output = request.get_output_tensor(0);
    const float* first = output.data<float>();
    return std::vector<float>(first, first + output.get_size());
  } catch (...) {
    throw current_failure(Code::load);
  }
}

}  // namespace npu_proxy

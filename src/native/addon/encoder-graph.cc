#include "encoder-graph.h"

#include <algorithm>
#include <map>
#include <string>

#include "failure.h"

namespace npu_proxy {
namespace {

const char* const kInputs[] = {"input_ids", "attention_mask", "token_type_ids", "position_ids"};

/** Token vectors go before sentence vectors, which some exporters add to them: those are normalized already. */
const char* const kOutputs[] = {"last_hidden_state", "token_embeddings", "logits"};

size_t find_output(const ov::Model& model) {
  for (const char* name : kOutputs)
    for (size_t index = 0; index < model.get_output_size(); ++index)
      if (model.output(index).get_names().count(name) > 0) return index;
  return 0;
}

/** Rows of the table that the token ids are looked up in. */
size_t find_vocabulary(const ov::Output<ov::Node>& ids) {
  for (const ov::Input<ov::Node>& target : ids.get_target_inputs()) {
    ov::Node* node = target.get_node();
    const std::string type = node->get_type_name();
    if (type == "Convert") {
      if (const size_t found = find_vocabulary(node->output(0))) return found;
    } else if (type == "Gather" && target.get_index() == 1) {
      const ov::PartialShape shape = node->get_input_partial_shape(0);
      if (shape.rank().is_static() && shape.size() == 2 && shape[0].is_static())
        return static_cast<size_t>(shape[0].get_length());
    }
  }
  return 0;
}

}  // namespace

EncoderGraph read_encoder(ov::Core& core, const std::filesystem::path& directory, size_t length) {
  EncoderGraph graph;
  graph.model = core.read_model(directory / "openvino_model.xml");
  for (const auto& input : graph.model->inputs()) {
    const std::string name = input.get_any_name();
    if (std::find(std::begin(kInputs), std::end(kInputs), name) == std::end(kInputs))
      throw Failure(Code::load, "The model wants an input " + name + ", which no encoder has.");
  }
  graph.vocabulary = find_vocabulary(graph.model->input("input_ids"));
  graph.output = find_output(*graph.model);
  const ov::Rank rank = graph.model->output(graph.output).get_partial_shape().rank();
  if (rank.is_dynamic() || rank.get_length() < 2 || rank.get_length() > 3)
    throw Failure(Code::load, "The model's output is neither vectors of tokens nor one vector of each text.");
  if (length > 0) {
    std::map<std::string, ov::PartialShape> shapes;
    for (const auto& input : graph.model->inputs())
      shapes[input.get_any_name()] = ov::PartialShape{1, static_cast<int64_t>(length)};
    graph.model->reshape(shapes);
  }
  ov::preprocess::PrePostProcessor processor(graph.model);
  processor.output(graph.output).tensor().set_element_type(ov::element::f32);
  graph.model = processor.build();
  return graph;
}

}  // namespace npu_proxy

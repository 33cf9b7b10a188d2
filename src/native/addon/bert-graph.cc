#include "bert-graph.h"

#include <algorithm>
#include <cmath>
#include <openvino/opsets/opset13.hpp>
#include <vector>

#include "failure.h"

namespace npu_proxy {
namespace {

namespace op = ov::opset13;
using Out = ov::Output<ov::Node>;

constexpr float kLargestHalf = 65504.0F;

template <class Op, class... Args>
Out make(Args&&... args) {
  return std::make_shared<Op>(std::forward<Args>(args)...)->output(0);
}

Out ints(const std::vector<int64_t>& values) {
  return make<op::Constant>(ov::element::i64, ov::Shape{values.size()}, values);
}

Out integer(int64_t value) { return make<op::Constant>(ov::element::i64, ov::Shape{}, value); }

Out real(float value) { return make<op::Constant>(ov::element::f32, ov::Shape{}, value); }

class Builder {
 public:
  explicit Builder(const Bert& bert) : bert_(bert) {}

  std::shared_ptr<ov::Model> build() {
    const auto ids = input("input_ids"), mask = input("attention_mask");
    ov::ParameterVector inputs = {ids, mask};
    const std::string types_name = "embeddings.token_type_embeddings.weight";
    const bool types = weight(types_name).shape.at(0) > 1;
    if (types) inputs.push_back(input("token_type_ids"));
    const Out type = types ? inputs.back()->output(0) : make<op::Multiply>(ids, integer(0));

    Out x = make<op::Gather>(matrix("embeddings.word_embeddings.weight"), ids, integer(0));
    x = make<op::Add>(x, make<op::Gather>(exact(types_name), type, integer(0)));
    x = norm(make<op::Add>(x, positions(ids, mask)), "embeddings.LayerNorm");
    const Out bias = attention_bias(mask);
    for (size_t layer = 0; layer < bert_.layers; ++layer)
      x = encode(x, bias, "encoder.layer." + std::to_string(layer) + ".");
    return std::make_shared<ov::Model>(ov::OutputVector{named_result(x)}, inputs, "encoder");
  }

 private:
  static std::shared_ptr<op::Parameter> input(const char* name) {
    auto parameter = std::make_shared<op::Parameter>(ov::element::i64, ov::PartialShape{-1, -1});
    parameter->set_friendly_name(name);
    parameter->output(0).set_names({name});
    return parameter;
  }

  const Weight& weight(const std::string& name) const {
    const auto found = bert_.weights.find(name);
    if (found == bert_.weights.end()) throw Failure(Code::load, "The weights lack the tensor " + name + ".");
    return found->second;
  }

  std::vector<float> values(const Weight& weight) const {
    const auto path = std::filesystem::u8path(weight.file);
    const ov::Tensor tensor = ov::read_tensor_data(path, weight.type, ov::PartialShape(weight.shape), weight.offset);
    return op::Constant(tensor).cast_vector<float>();
  }

  Out exact(const std::string& name) const {
    const Weight& found = weight(name);
    return make<op::Constant>(ov::element::f32, found.shape, values(found));
  }

  Out matrix(const std::string& name) const {
    const Weight& found = weight(name);
    const std::vector<float> numbers = values(found);
    const bool fits =
        std::all_of(numbers.begin(), numbers.end(), [](float number) { return std::abs(number) <= kLargestHalf; });
    if (!fits) return make<op::Constant>(ov::element::f32, found.shape, numbers);
    return make<op::Convert>(make<op::Constant>(ov::element::f16, found.shape, numbers), ov::element::f32);
  }

  Out linear(const Out& x, const std::string& name) const {
    return make<op::Add>(make<op::MatMul>(x, matrix(name + ".weight"), false, true), exact(name + ".bias"));
  }

  Out norm(const Out& x, const std::string& name) const {
    const Out even = make<op::MVN>(x, ints({-1}), true, bert_.epsilon, ov::op::MVNEpsMode::INSIDE_SQRT);
    return make<op::Add>(make<op::Multiply>(even, exact(name + ".weight")), exact(name + ".bias"));
  }

  Out positions(const Out& ids, const Out& mask) const {
    const Out table = exact("embeddings.position_embeddings.weight");
    if (bert_.first_position == 0) {
      const Out tokens = make<op::Gather>(make<op::ShapeOf>(ids), ints({1}), integer(0));
      const Out rows = make<op::Slice>(table, ints({0}), tokens, ints({1}), ints({0}));
      return make<op::Unsqueeze>(rows, ints({0}));
    }
    const Out counted = make<op::Multiply>(make<op::CumSum>(mask, integer(1)), mask);
    return make<op::Gather>(table, make<op::Add>(counted, integer(bert_.first_position - 1)), integer(0));
  }

  /** 0 where a token may be looked at, a very small number where it may not; shape [batch, 1, 1, tokens]. */
  static Out attention_bias(const Out& mask) {
    const Out seen = make<op::Convert>(make<op::Unsqueeze>(mask, ints({1, 2})), ov::element::f32);
    return make<op::Multiply>(make<op::Subtract>(real(1), seen), real(-kLargestHalf));
  }

  Out split_heads(const Out& x, int64_t width) const {
    const Out heads = make<op::Reshape>(x, ints({0, 0, static_cast<int64_t>(bert_.heads), width}), true);
    return make<op::Transpose>(heads, ints({0, 2, 1, 3}));
  }

  Out encode(const Out& x, const Out& bias, const std::string& name) const {
    const auto hidden = static_cast<int64_t>(weight("embeddings.word_embeddings.weight").shape.at(1));
    const int64_t width = hidden / static_cast<int64_t>(bert_.heads);
    const auto part = [&](const char* which) {
      return split_heads(linear(x, name + "attention.self." + which), width);
    };
    const Out query = part("query"), key = part("key"), value = part("value");
    Out seen = make<op::ScaledDotProductAttention>(query, key, value, bias, false);
    seen = make<op::Reshape>(make<op::Transpose>(seen, ints({0, 2, 1, 3})), ints({0, 0, hidden}), true);
    const Out attended = make<op::Add>(linear(seen, name + "attention.output.dense"), x);
    const Out middle = norm(attended, name + "attention.output.LayerNorm");
    const Out inner = activate(linear(middle, name + "intermediate.dense"));
    return norm(make<op::Add>(linear(inner, name + "output.dense"), middle), name + "output.LayerNorm");
  }

  Out activate(const Out& x) const {
    if (bert_.activation == "relu") return make<op::Relu>(x);
    const bool tanh = bert_.activation == "gelu_tanh";
    return make<op::Gelu>(x, tanh ? ov::op::GeluApproximationMode::TANH : ov::op::GeluApproximationMode::ERF);
  }

  Out named_result(Out x) const {
    if (bert_.head != "none") {
      const bool pooled = bert_.head == "pooled";
      const Out first = make<op::Gather>(x, integer(0), integer(1));
      const Out mixed = make<op::Tanh>(linear(first, pooled ? "pooler.dense" : "classifier.dense"));
      x = linear(mixed, pooled ? "classifier" : "classifier.out_proj");
    }
    const Out result = make<op::Result>(x);
    result.get_node()->input_value(0).set_names({bert_.head == "none" ? "last_hidden_state" : "logits"});
    return result;
  }

  const Bert& bert_;
};

}  // namespace

std::shared_ptr<ov::Model> bert_graph(const Bert& bert) { return Builder(bert).build(); }

}  // namespace npu_proxy

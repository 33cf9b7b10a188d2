#include "tokenizer-graph.h"

#include <limits>
#include <openvino/op/util/variable.hpp>
#include <openvino/opsets/opset15.hpp>
#include <utility>

#include "tokenizer-ops.h"

namespace npu_proxy {
namespace {

namespace op = ov::opset15;
using Out = ov::Output<ov::Node>;
using Outs = ov::OutputVector;

template <class Op, class... Args>
Out make(Args&&... args) {
  return std::make_shared<Op>(std::forward<Args>(args)...)->output(0);
}

Out constant(const ov::Tensor& tensor) { return std::make_shared<op::Constant>(tensor)->output(0); }

Out integer(int32_t value) { return make<op::Constant>(ov::element::i32, ov::Shape{}, value); }

Out big(int64_t value) { return make<op::Constant>(ov::element::i64, ov::Shape{}, value); }

Out ints(const std::vector<int32_t>& values) {
  return make<op::Constant>(ov::element::i32, ov::Shape{values.size()}, values);
}

Out text(const std::string& value) {
  ov::Tensor bytes(ov::element::u8, {value.size()});
  std::copy(value.begin(), value.end(), bytes.data<uint8_t>());
  return constant(bytes);
}

Outs operator+(Outs left, const Outs& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

Outs slice(const Outs& outs, size_t from, size_t to) { return Outs(outs.begin() + from, outs.begin() + to); }

Outs apply(const TokenizerOps& ops, const TokenizerStep& step, Outs inputs) {
  for (const ov::Tensor& tensor : step.constants) inputs.push_back(constant(tensor));
  return ops.make(step.op, inputs, step.attributes);
}

/** One row for each string: begins, ends, and the strings as they came. */
Outs rows(const Outs& strings) {
  const Out count = make<op::Gather>(make<op::ShapeOf>(strings[0]), big(0), big(0));
  const Out begins = make<op::Range>(big(0), count, big(1), ov::element::i32);
  const Out ends = make<op::Range>(big(1), make<op::Add>(count, big(1)), big(1), ov::element::i32);
  return Outs{begins, ends} + strings;
}

/** The state by which GenAI switches the cut at max_tokens on and off; on, unless it says otherwise. */
struct Truncation {
  std::shared_ptr<ov::Node> value;
  std::shared_ptr<op::Assign> sink;
};

Truncation truncation() {
  const auto variable = std::make_shared<ov::op::util::Variable>(
      ov::op::util::VariableInfo{ov::PartialShape::dynamic(), ov::element::dynamic, "truncation"});
  const Out on = make<op::Constant>(ov::element::boolean, ov::Shape{}, true);
  const auto value = std::make_shared<op::ReadValue>(on, variable);
  return {value, std::make_shared<op::Assign>(value, variable)};
}

/** What openvino_tokenizers cuts at when told not to cut. */
constexpr int32_t kEndless = std::numeric_limits<int32_t>::max() - 64;

Outs segment(const std::vector<int32_t>& ids) {
  return {integer(0), integer(static_cast<int32_t>(ids.size())), ints(ids)};
}

void name(Out& out, const char* name) { out.get_tensor().set_names({name}); }

void inform(ov::Model& model, const ov::AnyMap& info) {
  for (const auto& [key, value] : info) model.set_rt_info(value, key);
}

}  // namespace

std::shared_ptr<ov::Model> tokenizer_graph(const TokenizerGraph& options) {
  const TokenizerOps ops(options.library);
  const auto strings = std::make_shared<op::Parameter>(ov::element::string, ov::PartialShape{-1});
  // Rows of strings, and for each string whether it is a special token (then nothing changes it).
  Outs ragged = rows(std::make_shared<op::StringTensorUnpack>(strings)->outputs());
  ragged = ops.make("SpecialTokensSplit", ragged + Outs{constant(options.special)});
  for (const TokenizerStep& step : options.normalize)
    ragged = slice(ragged, 0, 2) + apply(ops, step, slice(ragged, 2, 6));
  for (const TokenizerStep& step : options.split) ragged = apply(ops, step, ragged);
  Outs ids = apply(ops, options.model, slice(ragged, 0, 5));

  const auto room = static_cast<int32_t>(options.max_tokens - options.before.size() - options.after.size());
  const Truncation cut = truncation();
  const Out limit = make<op::Select>(cut.value, integer(room), integer(kEndless));
  ids = ops.make("Truncate", ids + Outs{limit, text("right"), text("longest_first")});

  Outs segments;
  if (!options.before.empty()) segments = segments + segment(options.before);
  segments = segments + ids;
  if (!options.after.empty()) segments = segments + segment(options.after);
  const std::vector<int32_t> types(segments.size() / 3, 0);
  const Outs whole = ops.make("CombineSegments", segments + Outs{ints(types)});

  const Out longest = make<op::ReduceMax>(make<op::Subtract>(whole[1], whole[0]), integer(0));
  const ov::AnyMap right = {{"pad_right", true}};
  const auto dense = [&](size_t from, int32_t filling) {
    return ops.make("RaggedToDense", slice(whole, from, from + 3) + Outs{longest, integer(filling)}, right);
  };
  const Outs padded = dense(0, options.pad_id);
  Out input_ids = make<op::Convert>(padded[0], ov::element::i64);
  // By way of i32: GenAI looks for this pair of conversions when it adds states of its own.
  Out mask = make<op::Convert>(make<op::Convert>(padded[1], ov::element::i32), ov::element::i64);
  name(input_ids, "input_ids");
  name(mask, "attention_mask");
  Outs results = {input_ids, mask};
  if (options.token_types) {
    Out token_types = make<op::Convert>(dense(3, 0)[0], ov::element::i64);
    name(token_types, "token_type_ids");
    results.insert(results.begin() + 1, token_types);
  }
  auto model =
      std::make_shared<ov::Model>(results, ov::SinkVector{cut.sink}, ov::ParameterVector{strings}, "tokenizer");
  inform(*model, options.info);
  return model;
}

std::shared_ptr<ov::Model> detokenizer_graph(const TokenizerGraph& options) {
  const TokenizerOps ops(options.library);
  const auto ids = std::make_shared<op::Parameter>(ov::element::i64, ov::PartialShape{-1, -1});
  Outs inputs = {make<op::Convert>(ids, ov::element::i32)};
  for (const ov::Tensor& tensor : options.vocabulary) inputs.push_back(constant(tensor));
  // The slice's end is where GenAI puts its switch for special tokens: all of them, or none.
  inputs.push_back(
      make<op::Slice>(ints(options.skip), ints({0}), ints({std::numeric_limits<int32_t>::max()}), ints({1})));
  Outs strings = ops.make("VocabDecoder", inputs);
  const Out bytes = strings.back();
  strings.pop_back();
  strings = ops.make("FuzeRagged", strings) + Outs{bytes};
  for (const TokenizerStep& step : options.clean) strings = apply(ops, step, strings);
  Out result = make<op::StringTensorPack>(strings[0], strings[1], strings[2]);
  name(result, "string_output");
  auto model = std::make_shared<ov::Model>(Outs{result}, ov::ParameterVector{ids}, "detokenizer");
  inform(*model, options.info);
  return model;
}

}  // namespace npu_proxy

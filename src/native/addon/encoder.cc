#include "encoder.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "device.h"
#include "failure.h"

namespace npu_proxy {
namespace {

/** Texts are short: spreading one over the cores costs more than it brings, and takes them from the model. */
ov::genai::Tokenizer load_tokenizer(const std::string& directory, bool pairs) {
  ov::AnyMap properties{{"INFERENCE_NUM_THREADS", 1}};
  if (pairs) properties["add_second_input"] = true;
  return ov::genai::Tokenizer(std::filesystem::u8path(directory), properties);
}

/** Some tokenizers cut a long text without a word: those that take a limit get none. */
ov::AnyMap whole(bool special) {
  return {{"add_special_tokens", special}, {"max_length", int64_t{std::numeric_limits<int32_t>::max()}}};
}

/** The rows of a padded tensor, without their padding. */
Rows unpadded(const ov::genai::TokenizedInputs& padded) {
  const ov::Shape shape = padded.input_ids.get_shape();
  const int64_t* ids = padded.input_ids.data<int64_t>();
  const int64_t* mask = padded.attention_mask.data<int64_t>();
  const int64_t* types = padded.token_type_ids ? padded.token_type_ids->data<int64_t>() : nullptr;
  Rows rows;
  for (size_t row = 0; row < shape.at(0); ++row) {
    for (size_t at = row * shape.at(1); at < (row + 1) * shape.at(1); ++at) {
      if (mask[at] == 0) continue;
      rows.ids.push_back(ids[at]);
      rows.types.push_back(types == nullptr ? 0 : types[at]);
    }
    rows.ends.push_back(rows.ids.size());
  }
  return rows;
}

/** A single row of so many tokens, as queries are, is computed as it is: padding would cost it half as much again. */
constexpr size_t short_row = 64;

/**
 * The others are padded to one of few widths: the CPU plugin makes code for each new shape, which takes longer than to
 * compute it, and keeps it.
 */
size_t rounded(size_t tokens, size_t rows) {
  if (rows == 1 && tokens <= short_row) return tokens;
  const size_t step = tokens <= 64 ? 8 : tokens <= 512 ? 16 : 64;
  return (tokens + step - 1) / step * step;
}

/** @param vectors shape [tokens, width] */
void pool(Head head, const float* vectors, size_t tokens, size_t width, float* into) {
  if (head != Head::mean) {
    const float* one = vectors + (head == Head::last ? (tokens - 1) * width : 0);
    std::copy(one, one + width, into);
    return;
  }
  std::fill(into, into + width, 0.0F);
  for (size_t token = 0; token < tokens; ++token)
    for (size_t at = 0; at < width; ++at) into[at] += vectors[token * width + at];
  for (size_t at = 0; at < width; ++at) into[at] /= static_cast<float>(tokens);
}

/** As GenAI's TextRerankPipeline has it: one logit by the logistic function, of several the second's share. */
float score(const float* logits, size_t labels) {
  if (labels == 1) return 1.0F / (1.0F + std::exp(-logits[0]));
  const float most = *std::max_element(logits, logits + labels);
  float sum = 0;
  for (size_t at = 0; at < labels; ++at) sum += std::exp(logits[at] - most);
  return std::exp(logits[1] - most) / sum;
}

/** @param output shape [rows, tokens, width] or [rows, width] @param lengths tokens of each row */
std::vector<float> heads(Head head, const ov::Tensor& output, const std::vector<size_t>& lengths) {
  const ov::Shape shape = output.get_shape();
  const size_t stride = ov::shape_size(shape) / std::max<size_t>(1, shape.at(0)), width = shape.back();
  const float* row = output.data<float>();
  std::vector<float> result(lengths.size() * (head == Head::score ? 1 : width));
  for (size_t index = 0; index < lengths.size(); ++index, row += stride) {
    if (head == Head::score)
      result[index] = score(row, width);
    else
      pool(shape.size() == 3 ? head : Head::cls, row, lengths[index], width, &result[index * width]);
  }
  return result;
}

}  // namespace

Encoder::Encoder(const EncoderOptions& options)
    : directory_(options.directory),
      head_(options.head),
      max_tokens_(options.max_tokens),
      fixed_(options.fixed),
      tokenizer_(load_tokenizer(options.directory, false)) {
  try {
    ov::Core core;
    const EncoderGraph graph = read_encoder(core, std::filesystem::u8path(directory_), fixed_ ? max_tokens_ : 0);
    vocabulary_ = graph.vocabulary;
    output_ = graph.output;
    const auto shape = graph.model->output(output_).get_partial_shape();
    if (head_ == Head::score && shape.size() != 2)
      throw Failure(Code::load, "The model's output is no score: it ends in no classifier.");
    together_.model = core.compile_model(graph.model, options.device, options.properties);
    add_requests(together_, std::max<size_t>(1, options.requests));
    if (options.alone.empty()) return;
    alone_.model = core.compile_model(graph.model, options.device, options.alone);
    add_requests(alone_, 1);
  } catch (...) {
    throw load_failure(options.device, options.properties.count("NPUW_DEVICES") > 0);
  }
}

Rows Encoder::tokenize(const std::vector<std::string>& texts, bool special) {
  // GenAI notes each tokenizer request's flags in a map without a lock.
  const std::lock_guard<std::mutex> lock(tokenizing_);
  return unpadded(tokenizer_.encode(texts, whole(special)));
}

Rows Encoder::tokenize_pair(const std::string& first, const std::string& second) const {
  return unpadded(load_tokenizer(directory_, true)
                      .encode(std::vector<std::string>{first}, std::vector<std::string>{second}, whole(true)));
}

void Encoder::add_requests(Compiled& compiled, size_t count) {
  for (size_t index = 0; index < count; ++index) compiled.free.push_back(compiled.model.create_infer_request());
}

std::vector<float> Encoder::run(const Rows& rows, bool alone) {
  Compiled& compiled = alone && alone_.model ? alone_ : together_;
  std::unique_lock<std::mutex> lock(mutex_);
  compiled.freed.wait(lock, [&] { return !compiled.free.empty(); });
  ov::InferRequest request = std::move(compiled.free.back());
  compiled.free.pop_back();
  lock.unlock();
  const auto give_back = [&] {
    lock.lock();
    compiled.free.push_back(std::move(request));
    lock.unlock();
    compiled.freed.notify_one();
  };
  try {
    std::vector<float> result = infer(request, rows);
    give_back();
    return result;
  } catch (...) {
    give_back();
    throw;
  }
}

std::vector<float> Encoder::infer(ov::InferRequest& request, const Rows& rows) const {
  std::vector<size_t> lengths;
  for (size_t row = 0; row < rows.ends.size(); ++row)
    lengths.push_back(rows.ends[row] - (row ? rows.ends[row - 1] : 0));
  const size_t longest = lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  if (longest == 0 || *std::min_element(lengths.begin(), lengths.end()) == 0)
    throw Failure(Code::invalid, "A row without tokens cannot be computed.");
  if (longest > max_tokens_ || (fixed_ && lengths.size() > 1))
    throw Failure(Code::invalid, "The rows are longer or more than the model was loaded for.");
  const size_t width = fixed_ ? max_tokens_ : std::min(rounded(longest, lengths.size()), max_tokens_);

  for (const auto& input : together_.model.inputs()) {
    const std::string& name = input.get_any_name();
    ov::Tensor tensor(input.get_element_type(), {lengths.size(), width});
    if (input.get_element_type() != ov::element::i64)
      throw Failure(Code::load, "The model's input " + name + " takes no 64-bit integers.");
    int64_t* into = tensor.data<int64_t>();
    std::fill_n(into, tensor.get_size(), 0);
    for (size_t row = 0, from = 0; row < lengths.size(); from = rows.ends[row], ++row, into += width) {
      const auto first = static_cast<ptrdiff_t>(from), last = static_cast<ptrdiff_t>(rows.ends[row]);
      if (name == "input_ids")
        std::copy(rows.ids.begin() + first, rows.ids.begin() + last, into);
      else if (name == "token_type_ids")
        std::copy(rows.types.begin() + first, rows.types.begin() + last, into);
      else if (name == "attention_mask")
        std::fill_n(into, lengths[row], 1);
      else
        for (size_t at = 0; at < width; ++at) into[at] = static_cast<int64_t>(at);
    }
    request.set_tensor(name, tensor);
  }
  request.infer();
  return heads(head_, request.get_output_tensor(output_), lengths);
}

}  // namespace npu_proxy

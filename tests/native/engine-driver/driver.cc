#include "driver.h"

namespace npu_proxy::driver {
namespace {

int passed = 0, failed = 0;

}  // namespace

void expect(bool holds, const std::string& what) {
  ++(holds ? passed : failed);
  std::printf("%s %s\n", holds ? "ok  " : "FAIL", what.c_str());
  std::fflush(stdout);
}

bool summary() {
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0;
}

const std::vector<std::string> kQuestions = {"Hello!",
                                             "What is the capital of France?",
                                             "What is the opposite of hot?",
                                             "What month comes after May?",
                                             "What is a cat?",
                                             "What day comes after Monday?",
                                             "What is 2 + 2?",
                                             "What sound does a dog make?"};

std::vector<int64_t> prompt(const Engine& engine, const std::string& question) {
  ov::genai::Tokenizer tokenizer = engine.tokenizer();
  const std::string text = "<|im_start|>user\n" + question + "<|im_end|>\n<|im_start|>assistant\n";
  const ov::Tensor ids = tokenizer.encode(text, {{"add_special_tokens", false}}).input_ids;
  return std::vector<int64_t>(ids.data<int64_t>(), ids.data<int64_t>() + ids.get_size());
}

Sampling greedy(double tokens, bool endless) {
  Sampling sampling;
  sampling.options = {{"max_new_tokens", tokens}, {"do_sample", false}, {"ignore_eos", endless}};
  return sampling;
}

}  // namespace npu_proxy::driver

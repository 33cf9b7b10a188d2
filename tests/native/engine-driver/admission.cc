#include "detokenizer.h"
#include "driver.h"
#include "guarded.h"

namespace npu_proxy::driver {
namespace {

void bounded(const std::string& directory) {
  std::vector<std::string> alone;
  Run ample(directory, 4096);
  for (const auto& question : kQuestions) alone.push_back(ample.answer(question, greedy(64)).text);
  std::printf("     %s\n", alone[1].c_str());
  expect(!alone[1].empty(), "a lone request is answered");

  const auto all_equal = [&](Run& run, size_t requests) {
    std::vector<uint64_t> ids;
    for (size_t index = 0; index < requests; ++index)
      ids.push_back(run.ask(kQuestions[index % kQuestions.size()], greedy(64)));
    size_t equal = 0;
    for (size_t index = 0; index < requests; ++index)
      equal += run.answers.finished(ids[index]).text == alone[index % alone.size()];
    return equal == requests;
  };
  expect(all_equal(ample, 8), "8 together answer as each does alone");
  Run tight(directory, 10);
  expect(all_equal(tight, 60), "60 requests over 10 blocks answer as each does alone");
  const Answer large = tight.answer("Hello!", greedy(1000));
  expect(
      large.finish == Finish::error && large.code == Code::capacity && large.message.find("320") != std::string::npos,
      "what can never fit is refused, with numbers: " + large.message);
  const Stats stats = tight.engine->stats();
  expect(stats.reserved_blocks == 0 && stats.running == 0 && stats.waiting == 0, "all blocks are given back");
  expect(ample.answers.late() + tight.answers.late() == 0, "no event comes after the last");
}

/** Answers that differ from the same request alone, of 24 at once and 360 in all, on GenAI itself without our
 * admission. */
size_t wrong_without_admission(const std::string& directory, size_t pool_blocks) {
  ov::genai::SchedulerConfig scheduler;
  scheduler.num_kv_blocks = pool_blocks;
  scheduler.enable_prefix_caching = true;
  ov::genai::ContinuousBatchingPipeline pipeline(std::filesystem::u8path(directory), scheduler, "CPU");
  ov::genai::Tokenizer tokenizer = pipeline.get_tokenizer();
  const Guarded<ov::genai::GenerationConfig> config([&] { return pipeline.get_config(); });
  config->update_generation_config(generation_properties(greedy(48)));
  uint64_t next = 1;
  const auto ask = [&](size_t index) {
    std::string text = "<|im_start|>user\n";
    for (size_t part = 0; part <= index % 7; ++part) text += kQuestions[(index + part) % kQuestions.size()] + " ";
    text += "<|im_end|>\n<|im_start|>assistant\n";
    return pipeline.add_request(next++, tokenizer.encode(text, {{"add_special_tokens", false}}).input_ids, *config);
  };
  const auto tokens = [](ov::genai::GenerationHandle& handle) {
    Tokens all;
    while (handle->can_read())
      for (const auto& [sequence, output] : handle->read())
        all.insert(all.end(), output.generated_ids.begin(), output.generated_ids.end());
    return all;
  };
  std::vector<Tokens> alone;
  for (size_t index = 0; index < 24; ++index) {
    auto handle = ask(index);
    while (pipeline.has_non_finished_requests()) pipeline.step();
    alone.push_back(tokens(handle));
  }
  size_t wrong = 0;
  for (size_t round = 0; round < 15; ++round) {
    std::vector<ov::genai::GenerationHandle> handles;
    for (size_t index = 0; index < 24; ++index) handles.push_back(ask(index));
    while (pipeline.has_non_finished_requests()) pipeline.step();
    for (size_t index = 0; index < 24; ++index) wrong += tokens(handles[index]) != alone[index];
  }
  return wrong;
}

/** Why there is admission: GenAI preempts when its pool is too small, and answers wrongly without a sign. */
void preempted(const std::string& directory) {
  const size_t small = wrong_without_admission(directory, 24), ample = wrong_without_admission(directory, 2048);
  std::printf("     of 360 answers wrong without admission: %zu with 24 blocks, %zu with 2,048\n", small, ample);
  expect(ample == 0, "with blocks for all of them, answers are the same together as alone");
}

}  // namespace

void admission(const std::string& directory) {
  bounded(directory);
  preempted(directory);
}

}  // namespace npu_proxy::driver

/**
 * The engine without JavaScript, for the sanitizers: `engine-driver MODEL_DIRECTORY` runs what is delicate in it on a
 * small chat model and prints "N passed, N failed". Build it with -DNPU_PROXY_DRIVER=ON -DNPU_PROXY_SANITIZE=ON and run
 * with
 *
 *   TBB_ENABLE_SANITIZERS=1
 *   ASAN_OPTIONS=detect_container_overflow=0:detect_odr_violation=0:alloc_dealloc_mismatch=0
 *   LSAN_OPTIONS=suppressions=<this folder>/leaks.supp
 *
 * since the vendor's libraries are not instrumented: TBB would load one of its own with a flag that the sanitizers
 * refuse, a vector that one side grew looks overflowed to the other, inline
 * variables exist on both sides, and what the libraries keep until the process ends counts as a leak.
 */
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

#include "detokenizer.h"
#include "engine.h"
#include "guarded.h"
#include "self-check.h"
#include "token-bytes.h"

using namespace npu_proxy;

namespace {

int passed = 0, failed = 0;

void expect(bool holds, const std::string& what) {
  ++(holds ? passed : failed);
  std::printf("%s %s\n", holds ? "ok  " : "FAIL", what.c_str());
  std::fflush(stdout);
}

struct Answer {
  std::string text, message;
  size_t tokens = 0;
  Finish finish = Finish::none;
  Code code = Code::inference;
};

/** Collects events; wait() returns when a condition over the answers holds. */
class Answers {
 public:
  Sink sink() {
    return [this](std::vector<Event>&& events) {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (const Event& event : events) {
        Answer& answer = answers_[event.id];
        if (answer.finish != Finish::none) ++late_;
        answer.text += event.text;
        answer.tokens += event.tokens;
        answer.finish = event.finish;
        answer.code = event.code;
        answer.message = event.message;
      }
      changed_.notify_all();
    };
  }
  bool wait(const std::function<bool(std::map<uint64_t, Answer>&)>& holds) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, std::chrono::minutes(5), [&] { return holds(answers_); });
  }
  Answer finished(uint64_t id) {
    wait([id](auto& answers) { return answers[id].finish != Finish::none; });
    const std::lock_guard<std::mutex> lock(mutex_);
    return answers_[id];
  }
  size_t late() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return late_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, Answer> answers_;
  size_t late_ = 0;
};

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

Sampling greedy(double tokens, bool endless = false) {
  Sampling sampling;
  sampling.options = {{"max_new_tokens", tokens}, {"do_sample", false}, {"ignore_eos", endless}};
  return sampling;
}

class Run {
 public:
  Run(const std::string& directory, size_t max_blocks) {
    Options options;
    options.directory = directory;
    options.device = "CPU";
    options.max_blocks = max_blocks;
    engine = load_engine(options, answers.sink());
  }
  uint64_t ask(const std::string& question, const Sampling& sampling) {
    engine->submit({++last_, prompt(*engine, question), sampling});
    return last_;
  }
  Answer answer(const std::string& question, const Sampling& sampling) {
    return answers.finished(ask(question, sampling));
  }
  Answers answers;
  std::unique_ptr<Engine> engine;

 private:
  uint64_t last_ = 0;
};

/** Refused by xgrammar when it is compiled in step(), not before. */
Sampling bad_schema() {
  Sampling sampling = greedy(20);
  sampling.structured = Structured{"json_schema", R"({"type":"no such type"})"};
  return sampling;
}

/** An answer of `length` random tokens, pushed in bursts of `burst` as the text thread does it. */
bool streams_whole(Detokenizer& detokenizer, size_t length, size_t burst, unsigned seed) {
  std::mt19937 random(seed);
  Tokens all;
  Window window;
  std::string text;
  for (size_t at = 0; at < length; at += burst) {
    for (size_t index = 0; index < burst; ++index) all.push_back(random() % 700);
    window.push(all.data() + at, burst);
    std::vector<Tokens> rows{window.row(0)};
    const bool moves = window.wants_to_move();
    if (moves) rows.push_back(window.tail());
    const auto texts = detokenizer.decode(rows);
    const std::string added = window.take(texts[0], at + burst >= length);
    if (!added.empty() && (added[0] & 0xC0) == 0x80) return false;
    text += added;
    if (moves) window.move(texts[0], texts[1]);
    if (window.size() > 4 * 48) return false;
  }
  return text == detokenizer.decode({all})[0];
}

void as_bytes(ov::genai::Tokenizer tokenizer) {
  const TokenBytes bytes(tokenizer);
  expect(bool(bytes), "the demo's tokens are known by their bytes");
  Detokenizer detokenizer(tokenizer);
  std::mt19937 random(11);
  size_t equal = 0, whole = 0;
  for (size_t round = 0; round < 40; ++round) {
    Tokens tokens;
    for (size_t left = 100; left > 0; --left) tokens.push_back(random() % 768);
    Utf8 utf8 = bytes.text();
    std::string text;
    for (const int64_t token : tokens) {
      std::string added;
      bytes.decode(token, utf8, added);
      whole += added.empty() || (added[0] & 0xC0) != 0x80;
      text += added;
    }
    utf8.finish(text);
    equal += text == detokenizer.decode({tokens})[0];
  }
  expect(equal == 40 && whole == 4000, "4,000 random tokens are the same text, in whole characters, by bytes");
  // The whole machine of characters, against the library's on tokens that are single bytes of text.
  std::string shown;
  Utf8 replacing(true);
  for (const unsigned char byte : std::string("a\xE2\x82z\xC0\x80\xF0\x9F\x98\x80\x80\xE2\x82"))
    replacing.push(byte, shown);
  replacing.finish(shown);
  const std::string mark = "\xEF\xBF\xBD";
  expect(shown == "a" + mark + "z" + mark + mark + "\xF0\x9F\x98\x80" + mark + mark, "what is no character is shown");
}

void detokenized(const std::string& directory) {
  const ov::genai::Tokenizer tokenizer(std::filesystem::u8path(directory));
  as_bytes(tokenizer);
  Detokenizer detokenizer(tokenizer);
  for (const size_t burst : {1, 3, 16})
    expect(streams_whole(detokenizer, 4000 / burst * burst, burst, burst),
           "4,000 random tokens in bursts of " + std::to_string(burst) + " stream as they decode together");
  std::vector<Tokens> rows(40);
  std::mt19937 random(7);
  for (Tokens& row : rows)
    for (size_t left = random() % 60 + 1; left > 0; --left) row.push_back(random() % 700);
  const auto texts = detokenizer.decode(rows);
  size_t equal = 0;
  for (size_t index = 0; index < rows.size(); ++index) equal += texts[index] == detokenizer.decode({rows[index]})[0];
  expect(equal == rows.size(), "40 rows in one call decode as each does alone");
}

void together_and_oversubscribed(const std::string& directory) {
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
  expect(small > ample, "a pool that is too small makes GenAI answer wrongly, which admission prevents");
}

void cancelled(const std::string& directory) {
  Run run(directory, 4096);
  std::vector<uint64_t> ids;
  for (const auto& question : kQuestions) ids.push_back(run.ask(question, greedy(10000, true)));
  run.answers.wait([&](auto& answers) {
    return std::all_of(ids.begin(), ids.end(), [&](uint64_t id) { return answers[id].tokens >= 5; });
  });
  for (const uint64_t id : ids) run.engine->cancel(id);
  size_t right = 0;
  for (const uint64_t id : ids) right += run.answers.finished(id).finish == Finish::cancelled;
  expect(right == ids.size(), "8 running requests are cancelled");
  run.engine->cancel(ids[0]);
  expect(run.answer("Hello!", greedy(64)).finish == Finish::stop, "the next request runs");

  Run tight(directory, 8);
  const uint64_t running = tight.ask("Hello!", greedy(200, true)), waiting = tight.ask("Hello!", greedy(200));
  tight.engine->cancel(waiting);
  expect(tight.answers.finished(waiting).finish == Finish::cancelled, "a waiting request is cancelled");
  const Answer first = tight.answers.finished(running);
  expect(first.finish == Finish::length && first.tokens == 200, "the one before it is not");
}

void recovered(const std::string& directory) {
  Run run(directory, 4096);
  const auto is_error = [](const Answer& answer) { return answer.finish == Finish::error; };
  const uint64_t bystander = run.ask("Hello!", greedy(10000, true));
  run.answers.wait([&](auto& answers) { return answers[bystander].tokens > 0; });
  const Answer culprit = run.answer("Hello!", bad_schema());
  expect(is_error(culprit) && culprit.code == Code::inference, "a bad schema fails its request: " + culprit.message);
  expect(is_error(run.answers.finished(bystander)), "and those that ran with it");
  const Answer next = run.answer(kQuestions[1], greedy(64));
  expect(next.finish == Finish::stop && !next.text.empty(), "the next request works");
  run.answer("Hello!", bad_schema());
  expect(is_error(run.answers.finished(0)), "a second time the engine says that it is broken");
  expect(is_error(run.answer("Hello!", greedy(5))), "and refuses what comes");
  bool refused = false;
  try {
    validate_grammar(run.engine->tokenizer(), *bad_schema().structured);
  } catch (const Failure& failure) {
    refused = failure.code == Code::grammar;
  }
  expect(refused, "validate_grammar finds the schema beforehand");
}

void closed(const std::string& directory) {
  Run run(directory, 64);
  std::vector<uint64_t> ids;
  for (int index = 0; index < 20; ++index) ids.push_back(run.ask("Hello!", greedy(500, true)));
  run.answers.wait([&](auto& answers) { return answers[ids[0]].tokens > 0; });
  run.engine->close();
  size_t right = 0;
  for (const uint64_t id : ids) right += run.answers.finished(id).finish == Finish::cancelled;
  expect(right == ids.size(), "closing cancels what runs and what waits");
  bool refused = false;
  try {
    run.engine->submit({1000, {1}, greedy(5)});
  } catch (const Failure& failure) {
    refused = failure.code == Code::closed;
  }
  expect(refused, "a closed engine takes no request");
}

void emulated_npu(const std::string& directory) {
  Options options;
  options.directory = directory;
  options.device = "NPU";
  options.batching = false;
  options.capacity = 191;
  options.properties = {{"NPU_USE_NPUW", "YES"},
                        {"NPUW_DEVICES", "CPU"},
                        {"NPUW_ONLINE_PIPELINE", "NONE"},
                        {"MAX_PROMPT_LEN", int64_t{128}},
                        {"MIN_RESPONSE_LEN", int64_t{64}}};
  Answers answers;
  const auto engine = load_engine(options, answers.sink());
  const auto hello = prompt(*engine, "Hello!");
  engine->submit({1, hello, greedy(64)});
  engine->submit({2, hello, greedy(5000, true)});
  engine->submit({3, std::vector<int64_t>(129, 5), greedy(5)});
  engine->submit({4, hello, greedy(5000, true)});
  engine->cancel(4);
  expect(answers.finished(1).finish == Finish::stop && !answers.finished(1).text.empty(),
         "the static pipeline answers");
  expect(answers.finished(2).finish == Finish::length, "and ends with length where the cache is full");
  expect(answers.finished(3).code == Code::capacity, "a prompt over its limit is refused");
  expect(answers.finished(4).finish == Finish::cancelled, "a cancelled request ends");
  engine->submit({5, hello, greedy(5000, true)});
  engine->close();
  expect(answers.finished(5).finish == Finish::cancelled, "closing cancels");
}

/** As large as its storage: what Guarded must find. */
struct Glutton {
  Glutton() { std::fill(std::begin(bytes), std::end(bytes), std::byte{1}); }
  std::byte bytes[64];
};

void guards() {
  self_check();
  expect(true, "the declarations fit the library");
  bool caught = false;
  try {
    const Guarded<Glutton> glutton([] { return Glutton(); });
    glutton.check("Glutton");
  } catch (const Failure& failure) {
    caught = failure.code == Code::self_check;
  }
  expect(caught, "an object that fills its storage is found");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: engine-driver MODEL_DIRECTORY\n");
    return 2;
  }
  try {
    guards();
    detokenized(arguments[1]);
    together_and_oversubscribed(arguments[1]);
    preempted(arguments[1]);
    cancelled(arguments[1]);
    recovered(arguments[1]);
    closed(arguments[1]);
    emulated_npu(arguments[1]);
  } catch (const std::exception& error) {
    expect(false, std::string("nothing throws, but: ") + error.what());
  }
  std::printf("%d passed, %d failed\n", passed, failed);
#if defined(__SANITIZE_ADDRESS__)
  // Now, while the libraries can still be told from us: at the end of the process their plugins are unloaded.
  std::fflush(stdout);
  __lsan_do_leak_check();
#endif
  return failed == 0 ? 0 : 1;
}

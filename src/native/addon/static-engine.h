/** The static pipeline of the NPU: one generation at a time, first come, first served. */
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "engine.h"
#include "guarded.h"
#include "mailbox.h"
#include "text.h"

namespace npu_proxy {

class StaticEngine : public Engine {
 public:
  StaticEngine(const Options& options, Sink sink);
  ~StaticEngine() override { close(); }
  void submit(Request&& request) override;
  /** Ends a running answer between two tokens; a prefill cannot be cancelled. */
  void cancel(uint64_t id) override;
  Stats stats() const override;
  ov::genai::Tokenizer tokenizer() const override { return *tokenizer_; }
  void close() override;

 private:
  class Streamer;

  void warm_up();
  void run();
  Mail take_mail(bool wait);
  void generate(const Arrival& arrival);
  void generate(const Tokens& prompt, ov::AnyMap properties, std::shared_ptr<Streamer> streamer);

  const size_t capacity_, prompt_limit_;
  std::unique_ptr<Guarded<ov::genai::LLMPipeline>> pipeline_;
  std::unique_ptr<ov::genai::Tokenizer> tokenizer_;
  std::unique_ptr<TextThread> text_;
  Mailbox mailbox_;
  std::deque<Arrival> waiting_;
  /** Guards what cancel() and stats() see of the running answer. */
  mutable std::mutex mutex_;
  std::shared_ptr<Streamer> running_;
  Stats stats_;
  std::thread thread_;
};

}  // namespace npu_proxy

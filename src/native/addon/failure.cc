#include "failure.h"

#include <new>
#include <regex>
#include <sstream>

namespace npu_proxy {

const char* name(Code code) {
  switch (code) {
    case Code::self_check:
      return "self_check";
    case Code::load:
      return "load";
    case Code::device:
      return "device";
    case Code::grammar:
      return "grammar";
    case Code::chat_template:
      return "template";
    case Code::invalid:
      return "invalid";
    case Code::capacity:
      return "capacity";
    case Code::memory:
      return "memory";
    case Code::inference:
      return "inference";
    case Code::closed:
      return "closed";
  }
  return "inference";
}

std::string clean(const std::string& message) {
  // "Exception from src/a.cpp:1:", "Check 'x' failed at src/a.cpp:1:", "[12:00:00] /b/c.cc:1: " and the like.
  static const std::regex noise(
      R"(Check failed: \(.*\) is false: |Exception from [^\n]*?:\d+:?|Check '[^\n]*' failed at [^\n]*?:\d+:?)"
      R"(|(\[[\d:]+\] )?[\w./\\:+-]*[\w+-]\.(cpp|hpp|cc|h):\d+:? ?)");
  // The folders of an absolute path; a JSON pointer, which begins with #, stays.
  static const std::regex folders(R"((^|[\s'"(])(?:[A-Za-z]:)?[/\\](?:[^\s/\\'":]+[/\\])*)");
  std::istringstream lines(std::regex_replace(std::regex_replace(message, noise, ""), folders, "$1"));
  std::string line, text;
  while (std::getline(lines, line)) {
    const auto first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos) continue;
    const auto last = line.find_last_not_of(" \t\r");
    if (!text.empty()) text += ' ';
    text += line.substr(first, last - first + 1);
  }
  if (!text.empty()) return text;
  return message.empty() ? "The library failed without a message." : "The library refused without a sentence.";
}

Failure current_failure(Code code) {
  try {
    throw;
  } catch (const Failure& failure) {
    return failure;
  } catch (const std::bad_alloc&) {
    return {Code::memory, "The engine's process ran out of memory."};
  } catch (const std::exception& error) {
    // OpenVINO's own allocator throws its own sentence.
    if (std::string(error.what()).find("Failed to allocate") != std::string::npos)
      return {Code::memory, "The engine's process ran out of memory."};
    return {code, clean(error.what())};
  } catch (...) {
    return {code, "The library threw something that is no exception."};
  }
}

}  // namespace npu_proxy

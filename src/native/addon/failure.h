/** What can fail, in the closed list of the addon's contract, and the cleaning of the library's messages. */
#pragma once

#include <stdexcept>
#include <string>

namespace npu_proxy {

/** NativeErrorCode of src/native/contract.ts. */
enum class Code { self_check, load, device, grammar, chat_template, invalid, capacity, memory, inference, closed };

const char* name(Code code);

class Failure : public std::runtime_error {
 public:
  Failure(Code code, const std::string& message) : std::runtime_error(message), code(code) {}
  const Code code;
};

/** A message of OpenVINO without the source files, check expressions and local folders that surround its sentence. */
std::string clean(const std::string& message);

/** Whatever is being handled, as a Failure; call it only in a catch block. What is none yet becomes one with `code`. */
Failure current_failure(Code code);

}  // namespace npu_proxy

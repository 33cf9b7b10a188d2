/** The operations of OpenVINO's tokenizers library, which come without headers: nodes made by name. */
#pragma once

#include <map>
#include <openvino/openvino.hpp>
#include <string>

namespace npu_proxy {

class TokenizerOps {
 public:
  /**
   * Loads the library; it stays loaded for as long as the process lives, because the nodes' code lies in it.
   * @throws Failure load
   */
  explicit TokenizerOps(const std::string& library);

  /** @throws Failure load, for a name that the library does not have */
  ov::OutputVector make(const std::string& name, const ov::OutputVector& inputs, ov::AnyMap attributes = {}) const;

 private:
  std::map<std::string, ov::Extension::Ptr> known_;
};

}  // namespace npu_proxy

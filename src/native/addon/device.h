/** The devices that OpenVINO finds on this machine. */
#pragma once

#include <string>
#include <vector>

namespace npu_proxy {

/** NativeDevice of src/native/contract.ts; what the driver does not tell is empty. */
struct Device {
  std::string name, full_name, architecture, driver, address;
  double memory_bytes = 0;
  std::vector<std::string> precisions;
};

/**
 * Starts one plugin's driver ("CPU", "GPU", "NPU"): takes up to seconds, and a defective driver can end the process.
 * @throws Failure device
 */
std::vector<Device> find_devices(const std::string& kind);

}  // namespace npu_proxy

/** The devices that OpenVINO finds on this machine. */
#pragma once

#include <string>
#include <vector>

#include "failure.h"

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

/**
 * What is being handled, as the reason why a model did not load on a device: what a plugin says without its driver does
 * not tell that. Call it only in a catch block.
 * @param emulated the device is in nobody's list
 */
Failure load_failure(const std::string& device, bool emulated);

}  // namespace npu_proxy

#include "device.h"

#include <openvino/openvino.hpp>

#include "failure.h"

namespace npu_proxy {
namespace {

/** A property as text; empty where this device does not have it. */
std::string read(ov::Core& core, const std::string& device, const std::string& property) {
  try {
    return core.get_property(device, property).as<std::string>();
  } catch (...) {
    return "";
  }
}

}  // namespace

std::vector<Device> find_devices() {
  try {
    ov::Core core;
    std::vector<Device> devices;
    for (const std::string& name : core.get_available_devices()) {
      Device device;
      device.name = name;
      device.full_name = read(core, name, "FULL_DEVICE_NAME");
      device.architecture = read(core, name, "DEVICE_ARCHITECTURE");
      device.driver = read(core, name, name.rfind("GPU", 0) == 0 ? "GPU_DRIVER_VERSION" : "NPU_DRIVER_VERSION");
      try {
        device.precisions = core.get_property(name, ov::device::capabilities);
      } catch (...) {
        device.precisions.clear();
      }
      devices.push_back(std::move(device));
    }
    return devices;
  } catch (...) {
    throw current_failure(Code::device);
  }
}

}  // namespace npu_proxy

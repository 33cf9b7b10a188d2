#include "device.h"

#include <algorithm>
#include <cstdio>
#include <openvino/openvino.hpp>

namespace npu_proxy {
namespace {

/**
 * A property as OpenVINO prints it, whatever type the plugin keeps it in (NPU_DRIVER_VERSION is a number, that of the
 * GPU a text); empty where this device does not have it or cannot tell.
 */
std::string read(ov::Core& core, const std::string& device, const std::string& property) {
  try {
    return core.get_property(device, property).as<std::string>();
  } catch (...) {
    return "";
  }
}

/** A count of bytes; 0 where the device does not tell. */
double read_bytes(ov::Core& core, const std::string& device, const std::string& property) {
  try {
    return static_cast<double>(std::stoull(read(core, device, property)));
  } catch (...) {
    return 0;
  }
}

/** The PCI address as Linux writes it, "0000:00:0b.0"; empty where the device does not tell. */
std::string read_address(ov::Core& core, const std::string& device) {
  unsigned domain = 0, bus = 0, slot = 0, function = 0;
  const std::string told = read(core, device, "DEVICE_PCI_INFO");
  if (std::sscanf(told.c_str(), "{domain: %u bus: %u device: 0x%x function: %u}", &domain, &bus, &slot, &function) != 4)
    return "";
  char address[32];
  std::snprintf(address, sizeof address, "%04x:%02x:%02x.%x", domain, bus, slot, function);
  return address;
}

/** As Core::get_available_devices() has them, of one plugin: the others' drivers stay untouched. */
std::vector<std::string> names(ov::Core& core, const std::string& kind) {
  std::vector<std::string> ids;
  try {
    ids = core.get_property(kind, ov::available_devices);
  } catch (...) {
    return {};  // no driver
  }
  if (ids.size() == 1) return {kind};
  for (std::string& id : ids) id = kind + "." + id;
  return ids;
}

bool is_there(const std::string& device) {
  const std::vector<Device> devices = find_devices(device.substr(0, device.find('.')));
  return std::any_of(devices.begin(), devices.end(),
                     [&](const Device& found) { return found.name.rfind(device, 0) == 0; });
}

}  // namespace

std::vector<Device> find_devices(const std::string& kind) {
  try {
    ov::Core core;
    std::vector<Device> devices;
    for (const std::string& name : names(core, kind)) {
      Device device;
      device.name = name;
      device.full_name = read(core, name, "FULL_DEVICE_NAME");
      device.architecture = read(core, name, "DEVICE_ARCHITECTURE");
      if (kind != "CPU") {
        device.driver = read(core, name, kind + "_DRIVER_VERSION");
        device.memory_bytes = read_bytes(core, name, kind + "_DEVICE_TOTAL_MEM_SIZE");
        device.address = read_address(core, name);
      }
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

Failure load_failure(const std::string& device, bool emulated) {
  const Failure failure = current_failure(Code::load);
  if (failure.code != Code::load || emulated || is_there(device)) return failure;
  return {Code::device,
          "This machine has no device " + device + ", or its driver is missing. The library said: " + failure.what()};
}

}  // namespace npu_proxy

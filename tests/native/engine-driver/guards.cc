#include "driver.h"
#include "guarded.h"
#include "self-check.h"

namespace npu_proxy::driver {
namespace {

/** As large as its storage: what Guarded must find. */
struct Glutton {
  Glutton() { std::fill(std::begin(bytes), std::end(bytes), std::byte{1}); }
  std::byte bytes[64];
};

}  // namespace

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

}  // namespace npu_proxy::driver

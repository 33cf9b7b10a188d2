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
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

#include "driver.h"

using namespace npu_proxy::driver;

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: engine-driver MODEL_DIRECTORY\n");
    return 2;
  }
  try {
    guards();
    texts(arguments[1]);
    admission(arguments[1]);
    engines(arguments[1]);
  } catch (const std::exception& error) {
    expect(false, std::string("nothing throws, but: ") + error.what());
  }
  const bool well = summary();
#if defined(__SANITIZE_ADDRESS__)
  // Now, while the libraries can still be told from us: at the end of the process their plugins are unloaded.
  std::fflush(stdout);
  __lsan_do_leak_check();
#endif
  return well ? 0 : 1;
}

/** Whether genai.h fits the library that was loaded. */
#pragma once

namespace npu_proxy {

/** Takes milliseconds and needs no model. @throws Failure self_check */
void self_check();

}  // namespace npu_proxy

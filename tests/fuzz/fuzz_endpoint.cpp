#include "fuzz/endpoint_harness.h"

#include <cstddef>
#include <cstdint>

// libFuzzer's entry: requests over HTTP as clients of either era may send them, or as nobody would.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pyember::test::drive_endpoint({reinterpret_cast<const char*>(data), size});
  return 0;
}

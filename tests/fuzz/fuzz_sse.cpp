#include "fuzz/sse_harness.h"

#include <cstddef>
#include <cstdint>

// The streams of events that upstreams answer with.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pyember::test::drive_sse({reinterpret_cast<const char*>(data), size});
  return 0;
}

#include "fuzz/server_harness.h"

#include <cstddef>
#include <cstdint>

// libFuzzer's entry: framing, parsing and dispatch of whatever a client may send.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pyember::test::drive_server({reinterpret_cast<const char*>(data), size});
  return 0;
}

#include <cstddef>
#include <cstdint>

#include "fuzz/transport_harness.h"

// libFuzzer's entry: what a client sends to the server of HTTP, over a socket.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pyember::test::drive_transport({reinterpret_cast<const char*>(data), size});
  return 0;
}

#include "fuzz/client_harness.h"

#include <cstddef>
#include <cstdint>

// What an upstream may say, to the client's side of the protocol.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pyember::test::drive_client({reinterpret_cast<const char*>(data), size});
  return 0;
}

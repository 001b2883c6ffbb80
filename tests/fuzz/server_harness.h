#pragma once

#include <string_view>

namespace pyember::test {

// Feeds the bytes to a scripted server, cut into pieces in a way that depends on them, lets events
// happen in between, and CHECKs what must hold for any input:
//   - every line written is one JSON message in valid UTF-8, without a newline;
//   - afterwards the server still answers a ping;
//   - once the held calls are answered and the input has ended, nothing is in flight.
void drive_server(std::string_view bytes);

}  // namespace pyember::test

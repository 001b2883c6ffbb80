#pragma once

#include <string_view>

namespace pyember::test {

// Plays the bytes as what a client sends to a server of HTTP over a socket, and CHECKs what must
// hold whatever that is:
//   - what is handed on is well-formed and within the bounds, and each exchange is told at most
//   once
//     that its client has gone;
//   - what is sent back begins with a response, or is nothing;
//   - afterwards the server still serves others, and when it has ended nobody waits for it.
//
// The first byte says how requests are answered; the others are sent, in pieces that lines `====`
// end. A piece that is nothing but `-` says that no more is sent.
void drive_transport(std::string_view bytes);

}  // namespace pyember::test

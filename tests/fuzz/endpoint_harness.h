#pragma once

#include <string_view>

namespace pyember::test {

// Plays the bytes as what clients do to an endpoint, and CHECKs what must hold whatever that is:
//   - a response is begun once, and its messages are JSON in valid UTF-8, on one line each;
//   - afterwards the endpoint still serves;
//   - once held calls are answered and it has been closed, nothing waits for it any more.
//
// The bytes are steps, each ended by a line `====`. A step that begins with a digit goes on with
// what happens around (its value), or is a request: a line with its method, lines `Name: value`, an
// empty line, the body. `$S` in a value stands for the session that was opened last, `$E` for the
// event that was seen last.
void drive_endpoint(std::string_view bytes);

}  // namespace pyember::test

#pragma once

#include <string_view>

namespace pyember::test {

// Feeds each line of `input` to clients as what a server says: to one that is being started, and to
// ones of both eras that have requests in flight. Aborts when a request is answered twice, or when
// what is sent is no message on one line.
void drive_client(std::string_view input);

}  // namespace pyember::test

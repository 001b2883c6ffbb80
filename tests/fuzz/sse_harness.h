#pragma once

#include <string_view>

namespace pyember::test {

// Reads a stream of events at once and in pieces, whose sizes the input's first byte chooses, and
// goes on with the same stream after a break. Aborts when the pieces matter, or when an event is
// larger than its bound.
void drive_sse(std::string_view input);

}  // namespace pyember::test

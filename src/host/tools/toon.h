#pragma once

#include <optional>
#include <string>

#include "mcp/json.h"

namespace pyember::host {

// A value as TOON, Token-Oriented Object Notation (github.com/toon-format/spec, 4.4): indented by
// two spaces, commas between values, the lengths of arrays told. Objects of one shape become
// tables. No newline at the end; an empty object is an empty text. Numbers that JSON can't say are
// null. nullopt: it is nested deeper than limits::kMaximumJsonDepth.
std::optional<std::string> to_toon(const mcp::Json& value);

}  // namespace pyember::host

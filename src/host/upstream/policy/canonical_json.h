#pragma once

#include <string>

#include "mcp/json.h"

namespace pyember::host {

// The one text of a JSON value: compact, UTF-8, members of objects sorted by their names' bytes.
// For digests: values that are equal have the same text, in whatever order they were written.
std::string canonical_json(const mcp::Json& value);

}  // namespace pyember::host

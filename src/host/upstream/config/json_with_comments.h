#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "mcp/json.h"

namespace pyember::host {

// JSON as editors write it: with // and /* */ comments and commas before a closing bracket.
Result<mcp::Json> parse_json_with_comments(std::string_view text);

// The same text as strict JSON has it, if it is JSON at all.
std::string without_comments(std::string_view text);

}  // namespace pyember::host

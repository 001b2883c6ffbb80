#pragma once

#include <string_view>

#include "base/result.h"
#include "mcp/json.h"

namespace pyember::host {

// TOML 1.0 as the same values in JSON; dates and times become their texts. The error says where.
Result<mcp::Json> parse_toml(std::string_view text);

}  // namespace pyember::host

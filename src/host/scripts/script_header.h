#pragma once

#include <string_view>

namespace pyember::host {

// Whether a script has inline metadata (PEP 723): a block of type "script". What it says is read
// and written by mcp_services, which has a TOML parser.
bool has_script_header(std::string_view source);

}  // namespace pyember::host

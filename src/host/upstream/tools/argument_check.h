#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/upstream/tools/tool_description.h"
#include "mcp/json.h"

namespace pyember::host {

// What is surely wrong with the arguments of a call, before they are sent; nullopt: nothing that
// the tool's schema says. Three parts: which arguments, why, and the signature to write next.
//
// Judges type, enum, const, required, unknown names where no others are allowed, bounds of numbers
// and lengths, items, anyOf and oneOf where all of their forms can be judged, and references within
// the schema. What it can't judge (formats, patterns, references elsewhere, the rest) passes: the
// upstream has the last word. Bounded in depth and time, whatever the schema says.
std::optional<std::string> argument_mistake(const ServerTools& server, const ToolDescription& tool,
                                            const mcp::Json& arguments);

// The names of a schema's arguments in the order of positional ones: the required ones first, each
// kind in the order of `properties`.
std::vector<std::string> parameter_order(const mcp::Json& input_schema);

}  // namespace pyember::host

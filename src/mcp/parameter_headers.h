#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "mcp/json.h"

namespace pyember::mcp {

// A parameter of a tool that goes into a header as well, because its schema says so with
// "x-mcp-header" (PROTOCOL: HTTP-12).
struct ParameterHeader {
  std::string name;               // what stands behind "Mcp-Param-"
  std::vector<std::string> path;  // from the arguments to the value
};

// Those of an input schema, in its order. The error's message says which rule is broken: such a
// tool must not be offered.
Result<std::vector<ParameterHeader>> parameter_headers(const Json& input_schema);

// What a call's arguments put into them: names, and values that are not encoded yet.
std::vector<std::pair<std::string, std::string>> header_values(
    const std::vector<ParameterHeader>& headers, const Json& arguments);

// The value it repeats, whatever its type; null: the arguments have none.
const Json* parameter_value(const ParameterHeader& header, const Json& arguments);

}  // namespace pyember::mcp

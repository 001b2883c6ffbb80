#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mcp/json.h"

// Reading JSON Schemas that somebody else wrote: what is missing or of another type is empty.
namespace pyember::host {

// The schema that `schema` refers to within `root` ("$ref": "#/$defs/Label"), or itself; null: it
// refers elsewhere, to nothing, or in a circle. Nothing is ever fetched.
const mcp::Json* resolved_schema(const mcp::Json& schema, const mcp::Json& root);

// A member that is an object; else one without members.
const mcp::Json& object_member(const mcp::Json& schema, std::string_view name);

// What an argument is that isn't given; null: its schema doesn't say. Makers of schemas list such
// arguments as required all the same.
const mcp::Json* default_of(const mcp::Json& schema, const mcp::Json& root);

bool is_required(const mcp::Json& schema, std::string_view name);

// A name that Python code can write before the `=` of an argument.
bool is_python_name(std::string_view name);

}  // namespace pyember::host

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "mcp/json.h"

// JSON Schemas and values, in the words of Python.
namespace pyember::host {

// A type hint for what a schema describes: `list[str] | None`, `Literal['open', 'closed']`. What is
// too deep or too long for one is said by its outermost type; what can't be said is Any. References
// are looked up in `root`.
std::string python_type(const mcp::Json& schema, const mcp::Json& root);

// The word for a type of JSON Schema: "str" for "string"; empty: there is no such type.
std::string_view python_type_word(std::string_view json_type);

// A value as Python writes it, or "..." when that takes more than `most` bytes.
std::string python_literal(const mcp::Json& value, std::size_t most);

}  // namespace pyember::host

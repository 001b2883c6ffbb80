#pragma once

#include "base/result.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace pyember::mcp {

// The JSON value of the protocol room. Members keep the order they were written in, so that lists,
// schemas and answers read the same on every run. Lookup is linear: fine for the small objects of
// MCP, and the parser below bounds the number of members so that nobody can make it expensive.
using Json = nlohmann::ordered_json;

// Bounds on what one text may make us build. The defaults are in base/limits.h.
struct JsonBounds {
  std::size_t depth;    // nested arrays and objects
  std::size_t members;  // of one object
  std::size_t values;   // of the whole text
  static JsonBounds standard();
};

// Parses one JSON text (strict RFC 8259, valid UTF-8, nothing after it). Never recurses and builds
// nothing beyond the bounds. The error's code is LimitReached when a bound was hit, else
// InvalidArgument; its message says where.
Result<Json> parse_json(std::string_view text, const JsonBounds& bounds = JsonBounds::standard());

// Appends the compact JSON form, always valid UTF-8 on one line: bytes that are not UTF-8 become
// U+FFFD, numbers that JSON can't say (NaN, infinities) become null.
void append_json(std::string& out, const Json& value);
void append_json_string(std::string& out, std::string_view text);  // quoted and escaped
std::string to_json_text(const Json& value);

}  // namespace pyember::mcp

#pragma once

#include <optional>
#include <string_view>

namespace pyember::mcp {

// Which of the two forms of an answer a client takes.
struct Accepted {
  bool json = true;    // application/json
  bool events = true;  // text/event-stream
};

// What an Accept header says; without one, everything is taken. What is malformed counts as not
// said.
Accepted read_accept(std::optional<std::string_view> header);

// Whether a Content-Type header says application/json, whatever its parameters.
bool is_json_type(std::optional<std::string_view> header);

}  // namespace pyember::mcp

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pyember::mcp {

// Cursors of paginated lists: opaque to the client, and stateless here. One names the list it
// belongs to and the last entry of the page before, so a list that changes between two pages
// loses and repeats nothing but the change.
std::string make_cursor(std::string_view list, std::string_view last);

// The last entry, or nullopt if this is not a cursor of that list.
std::optional<std::string> read_cursor(std::string_view list, std::string_view cursor);

}  // namespace pyember::mcp

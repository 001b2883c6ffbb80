#pragma once

#include "mcp/cursor.h"
#include "mcp/errors.h"
#include "mcp/json.h"
#include "mcp/responder.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

// Internal to the sources of the methods: what several of them are made of.
namespace pyember::mcp {

inline constexpr std::int64_t kHourMs = 3'600'000;
inline constexpr CachePolicy kStatic = {kHourMs, true};  // the same for this server's whole life
inline constexpr CachePolicy kChanging = {0, false};     // may be different the next moment

// Null: there is no such member, or it is no string.
inline const std::string* string_member(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return nullptr;
  return &found->get_ref<const std::string&>();
}

// The text of one page of a list: `name`: [entries from `begin` on], nextCursor if more follow.
template <typename Entries, typename Append, typename Key>
std::string page_text(std::string_view name, const Entries& entries, std::size_t begin,
                      std::size_t page_size, Append append, Key key) {
  std::string members = "\"";
  members += name;
  members += "\":[";
  const std::size_t end = std::min(entries.size(), begin + page_size);
  for (std::size_t index = begin; index < end; ++index) {
    if (index > begin) members += ',';
    append(members, entries[index]);
  }
  members += ']';
  if (end < entries.size()) {
    members += R"(,"nextCursor":)";
    append_json_string(members, make_cursor(name, key(entries[end - 1])));
  }
  return members;
}

inline RpcError invalid_cursor() {
  return invalid_params(
      "Invalid params: the cursor is not one that this list has given out. Start again without a "
      "cursor.");
}

}  // namespace pyember::mcp

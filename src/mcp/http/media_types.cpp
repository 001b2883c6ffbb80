#include "mcp/http/media_types.h"

#include <algorithm>
#include <cctype>

namespace pyember::mcp {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool same(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  });
}

// What stands before the first `separator`; `rest` goes on behind it.
std::string_view take_until(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return trimmed(taken);
}

// "q=0", "q=0.0" …: by that a client says what it does not take.
bool is_refusal(std::string_view parameter) {
  const std::string_view name = take_until(parameter, '=');
  const std::string_view value = trimmed(parameter);
  return same(name, "q") && !value.empty() && value.front() == '0' &&
         value.find_first_not_of("0.") == std::string_view::npos;
}

}  // namespace

Accepted read_accept(std::optional<std::string_view> header) {
  if (!header || trimmed(*header).empty()) return {};
  Accepted accepted{.json = false, .events = false};
  std::string_view rest = *header;
  while (!rest.empty()) {
    std::string_view range = take_until(rest, ',');
    const std::string_view type = take_until(range, ';');
    bool refused = false;
    while (!range.empty()) refused = is_refusal(take_until(range, ';')) || refused;
    if (refused) continue;
    const bool all = same(type, "*/*");
    accepted.json |= all || same(type, "application/json") || same(type, "application/*");
    accepted.events |= all || same(type, "text/event-stream") || same(type, "text/*");
  }
  return accepted;
}

bool is_json_type(std::optional<std::string_view> header) {
  if (!header) return false;
  std::string_view rest = *header;
  return same(take_until(rest, ';'), "application/json");
}

}  // namespace pyember::mcp

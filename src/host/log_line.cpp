#include "host/log_line.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/iso_time.h"
#include "mcp/json.h"

namespace pyember::host {

namespace {

using mcp::Json;

constexpr std::string_view kWordLetters = "abcdefghijklmnopqrstuvwxyz0123456789_";

std::string_view take(std::string_view& text, std::size_t length) {
  const std::string_view taken = text.substr(0, length);
  text.remove_prefix(taken.size());
  return taken;
}

std::string_view take_word(std::string_view& text) {
  return take(text, std::min(text.find_first_not_of(kWordLetters), text.size()));
}

bool take_letter(std::string_view& text, char wanted) {
  if (!text.starts_with(wanted)) return false;
  text.remove_prefix(1);
  return true;
}

// What stands behind the `=`.
std::optional<std::string_view> take_value(std::string_view& text) {
  if (!take_letter(text, '"')) return take(text, std::min(text.find_first_of(" \""), text.size()));
  const std::size_t end = text.find('"');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view value = take(text, end);
  text.remove_prefix(1);
  return value;
}

// Null: it is no line of these.
std::optional<Json> fields_in(std::string_view text) {
  Json fields = Json::object();
  while (!text.empty()) {
    if (!take_letter(text, ' ')) return std::nullopt;
    const std::string key(take_word(text));
    if (key.empty() || fields.contains(key) || !take_letter(text, '=')) return std::nullopt;
    const std::optional<std::string_view> value = take_value(text);
    if (!value) return std::nullopt;
    fields[key] = *value;
  }
  return fields;
}

}  // namespace

std::string json_log_line(std::int64_t unix_ms, std::string_view level, std::string_view message) {
  Json line{{"time", utc_time(unix_ms)}, {"level", level}, {"message", message}};
  std::string_view rest = message;
  const std::string_view event = take_word(rest);
  // An event without fields has a name of several words: a sentence of one word is none.
  const bool named = !rest.empty() || event.find('_') != std::string_view::npos;
  if (!event.empty() && named) {
    if (std::optional<Json> fields = fields_in(rest)) {
      line["event"] = event;
      if (!fields->empty()) line["fields"] = *std::move(fields);
    }
  }
  return mcp::to_json_text(line);
}

}  // namespace pyember::host

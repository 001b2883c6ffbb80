#include "host/upstream/config/toml.h"

// One source file has all of the library, and nothing of it throws.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_WINDOWS_COMPAT 0
#include <fmt/format.h>

#include <toml++/toml.h>
#include <sstream>
#include <string>
#include <utility>

namespace pyember::host {

using mcp::Json;

namespace {

// As deep as the text is, which the parser bounds at 256.
Json to_json(const toml::node& node) {
  if (const toml::table* table = node.as_table()) {
    Json object = Json::object();
    for (const auto& [name, value] : *table) object[std::string(name.str())] = to_json(value);
    return object;
  }
  if (const toml::array* array = node.as_array()) {
    Json list = Json::array();
    for (const toml::node& value : *array) list.push_back(to_json(value));
    return list;
  }
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* number = node.as_floating_point()) return number->get();
  if (const auto* flag = node.as_boolean()) return flag->get();
  std::ostringstream text;
  node.visit([&text](const auto& value) { text << value; });
  return std::move(text).str();
}

}  // namespace

Result<Json> parse_toml(std::string_view text) {
  const toml::parse_result parsed = toml::parse(text);
  if (parsed) return to_json(parsed.table());
  return Error{ErrorCode::InvalidArgument,
               fmt::format("it stops being valid TOML at line {}: {}",
                           parsed.error().source().begin.line, parsed.error().description())};
}

}  // namespace pyember::host

#include "host/upstream/config/config_file.h"

#include <fmt/format.h>

#include <string_view>

#include "base/limits.h"
#include "base/sha256.h"
#include "host/scripts/text_file.h"
#include "host/upstream/config/json_with_comments.h"
#include "host/upstream/config/toml.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::Json;

namespace {

const Json* object_in(const Json& object, std::string_view name) {
  if (!object.is_object()) return nullptr;
  const auto member = object.find(std::string(name));
  return member != object.end() && member->is_object() ? &*member : nullptr;
}

// All members of `table` are servers; one that is no object is an entry that can't be used.
void add_table(const Json* table, ConfigContents& out) {
  if (table == nullptr) return;
  for (const auto& [name, entry] : table->items()) out.entries.emplace_back(name, entry);
}

bool is_definition(const Json& value) {
  return value.is_object() && (value.contains("command") || value.contains("url"));
}

// VS Code's settings have {"servers": {…}} under "mcp", OpenCode has the servers themselves.
void add_mcp(const Json* mcp, ConfigContents& out) {
  if (mcp == nullptr) return;
  for (const auto& [name, value] : mcp->items()) {
    if (name == "servers" && value.is_object() && !is_definition(value)) {
      add_table(&value, out);
    } else if (is_definition(value)) {
      out.entries.emplace_back(name, value);
    }
  }
}

Result<Json> parse(const std::string& path, const std::string& text) {
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return Json::object();
  if (path.ends_with(".toml")) return parse_toml(text);
  Result<Json> whole = parse_json_with_comments(text);
  if (whole && !whole.value().is_object()) {
    return Error{ErrorCode::InvalidArgument, "it is no JSON object"};
  }
  return whole;
}

}  // namespace

ConfigContents find_servers(const Json& whole, const std::string& working_directory) {
  ConfigContents found;
  found.description = mcp::text_in(whole, "description");
  // What Claude Code has for this folder alone goes before what it has for all.
  if (const Json* projects = object_in(whole, "projects")) {
    if (const Json* project = object_in(*projects, working_directory)) {
      add_table(object_in(*project, "mcpServers"), found);
    }
  }
  for (const char* name : {"mcpServers", "servers", "mcp.servers", "mcp_servers"}) {
    add_table(object_in(whole, name), found);
  }
  add_mcp(object_in(whole, "mcp"), found);
  add_table(object_in(whole, "context_servers"), found);
  return found;
}

Result<ConfigContents> read_config_file(const std::string& path,
                                        const std::string& working_directory) {
  const Result<std::string> text = read_text_file(path, limits::kMaximumConfigurationBytes);
  if (!text) return text.error();
  const Result<Json> whole = parse(path, text.value());
  if (whole) return find_servers(whole.value(), working_directory);
  return Error{whole.error().code,
               fmt::format("{} is not read, because {}. Mend it, and pyember upstreams list shows "
                           "what it defines.",
                           path, whole.error().message)};
}

std::string digest_of(const ConfigContents& contents) {
  Json all = Json::array({contents.description});
  for (const auto& [name, entry] : contents.entries) all.push_back(Json::array({name, entry}));
  return sha256_hex(mcp::to_json_text(all));
}

}  // namespace pyember::host

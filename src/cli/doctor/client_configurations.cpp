#include "cli/doctor/client_configurations.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/limits.h"
#include "cli/doctor/command_output.h"
#include "host/scripts/text_file.h"
#include "host/tools/profile.h"
#include "host/upstream/config/json_with_comments.h"

namespace pyember::cli {

namespace fs = std::filesystem;
using mcp::Json;

namespace {

// Where a client keeps its servers. `path` begins with ~ (the home folder), $CONFIG (where
// desktop programs keep theirs) or . (the working directory).
struct Client {
  const char* name;
  const char* path;
  const char* key;  // the member that holds the servers
  bool typed;       // its entries say "type": "stdio"
};

constexpr Client kClients[] = {
    {"Claude Desktop", "$CONFIG/Claude/claude_desktop_config.json", "mcpServers", false},
    {"Claude Code", "~/.claude.json", "mcpServers", true},
    {"Claude Code, this folder", "./.mcp.json", "mcpServers", true},
    {"VS Code", "$CONFIG/Code/User/mcp.json", "servers", true},
    {"VS Code, this folder", "./.vscode/mcp.json", "servers", true},
    {"Cursor", "~/.cursor/mcp.json", "mcpServers", true},
    {"Cursor, this folder", "./.cursor/mcp.json", "mcpServers", true},
    {"Windsurf", "~/.codeium/windsurf/mcp_config.json", "mcpServers", false},
    {"Gemini CLI", "~/.gemini/settings.json", "mcpServers", false},
};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

std::string configuration_folder() {
  const std::string home = variable("HOME");
#if defined(__APPLE__)
  return home + "/Library/Application Support";
#else
  const std::string named = variable("XDG_CONFIG_HOME");
  return named.starts_with('/') ? named : home + "/.config";
#endif
}

std::string expanded(std::string_view path) {
  if (path.starts_with("$CONFIG")) return configuration_folder() + std::string(path.substr(7));
  if (path.starts_with('~')) return variable("HOME") + std::string(path.substr(1));
  std::error_code failed;
  return fs::current_path(failed).string() + std::string(path.substr(1));
}

Json block_for(const Client& client, const std::string& command) {
  Json entry = Json::object();
  if (client.typed) entry["type"] = "stdio";
  entry["command"] = command;
  entry["args"] = Json::array({"serve"});
  return Json{{client.key, Json{{"pyember", std::move(entry)}}}};
}

bool is_ours(const std::string& name, const std::string& command) {
  const std::string program = fs::path(command).filename().string();
  return name == "pyember" || program == "pyember" || program == "python-executor-mcp" ||
         program == "python-mcp-server" || program == host::kCodeModeProgram;
}

bool can_be_started(const std::string& command) {
  if (command.find('/') == std::string::npos) return !program_on_path(command).empty();
  return access(command.c_str(), X_OK) == 0;
}

void look_for_entry(ClientConfiguration& found, const Json& whole, const char* key) {
  found.state = ClientConfiguration::State::WithoutPyember;
  const auto servers = whole.find(key);
  if (servers == whole.end() || !servers->is_object()) return;
  for (const auto& [name, entry] : servers->items()) {
    if (!entry.is_object()) continue;
    const auto command = entry.find("command");
    const std::string program = command != entry.end() && command->is_string()
                                    ? command->get<std::string>()
                                    : std::string();
    if (!is_ours(name, program)) continue;
    found.state = ClientConfiguration::State::WithPyember;
    found.detail = program;
    found.command_exists = can_be_started(program);
    return;
  }
}

ClientConfiguration look_at(const Client& client, const std::string& command) {
  ClientConfiguration found;
  found.client = client.name;
  found.path = expanded(client.path);
  found.block = block_for(client, command);
  std::error_code failed;
  if (!fs::exists(found.path, failed)) return found;
  found.state = ClientConfiguration::State::Unreadable;
  const Result<std::string> text =
      host::read_text_file(found.path, limits::kMaximumConfigurationBytes);
  if (!text) {
    found.detail = text.error().message;
    return found;
  }
  if (text.value().find_first_not_of(" \t\r\n") == std::string::npos) {
    found.state = ClientConfiguration::State::WithoutPyember;
    return found;
  }
  const Result<Json> whole = host::parse_json_with_comments(text.value());
  if (!whole || !whole.value().is_object()) {
    found.detail = whole ? "it is no JSON object" : whole.error().message;
    return found;
  }
  look_for_entry(found, whole.value(), client.key);
  return found;
}

}  // namespace

const char* to_string(ClientConfiguration::State state) {
  switch (state) {
    case ClientConfiguration::State::NotThere:
      return "not there";
    case ClientConfiguration::State::Unreadable:
      return "unreadable";
    case ClientConfiguration::State::WithoutPyember:
      return "without pyember";
    case ClientConfiguration::State::WithPyember:
      return "with pyember";
  }
  return "";
}

std::vector<ClientConfiguration> find_client_configurations(const std::string& command) {
  std::vector<ClientConfiguration> all;
  for (const Client& client : kClients) all.push_back(look_at(client, command));
  return all;
}

}  // namespace pyember::cli

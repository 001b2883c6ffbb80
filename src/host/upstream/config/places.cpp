#include "host/upstream/config/places.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "host/scripts/text_file.h"

namespace pyember::host {

namespace fs = std::filesystem;

namespace {

struct Place {
  ConfigOwner owner;
  const char* client;
  // Begins with ~ (home), . (working directory), $CONFIG, $CODEX or $APPS (each of the application
  // folders); a last part *.json stands for all of these.
  const char* path;
};

// In the order in which they win. The places of all systems are looked at on each: home folders are
// carried from one to the other, and shared.
constexpr Place kPlaces[] = {
    {ConfigOwner::Project, "Claude Code", "./.mcp.json"},
    {ConfigOwner::Project, "Cursor", "./.cursor/mcp.json"},
    {ConfigOwner::Project, "VS Code", "./.vscode/mcp.json"},
    {ConfigOwner::Project, "this folder", "./mcp-servers/*.json"},
    {ConfigOwner::Project, "Claude Code", "./claude_code_config.json"},
    {ConfigOwner::Project, "Claude Desktop", "./claude_desktop_config.json"},
    {ConfigOwner::Project, "OpenCode", "./opencode.json"},
    {ConfigOwner::Project, "OpenCode", "./opencode.jsonc"},
    {ConfigOwner::Project, "OpenCode", "./opencode_config.json"},
    {ConfigOwner::Project, "OpenCode", "./opencode_desktop_config.json"},
    {ConfigOwner::Project, "Gemini CLI", "./.gemini/settings.json"},
    {ConfigOwner::Project, "Codex", "./.codex/config.toml"},
    {ConfigOwner::Project, "Zed", "./.zed/settings.json"},

    {ConfigOwner::User, "", "~/MCPs/*.json"},
    {ConfigOwner::User, "", "$CONFIG/mcp/*.json"},
    {ConfigOwner::User, "", "$CONFIG/mcp/servers/*.json"},

    {ConfigOwner::Client, "Claude Code", "~/.claude.json"},
    {ConfigOwner::Client, "Claude Code", "$APPS/Claude Code/mcp/servers/*.json"},
    {ConfigOwner::Client, "Claude Code", "$APPS/Claude Code/claude_code_config.json"},
    {ConfigOwner::Client, "Claude Code", "$APPS/Claude/claude_code_config.json"},
    {ConfigOwner::Client, "Claude Desktop", "$APPS/Claude/mcp/servers/*.json"},
    {ConfigOwner::Client, "Claude Desktop", "$APPS/Claude Code/claude_desktop_config.json"},
    {ConfigOwner::Client, "Claude Desktop", "$APPS/Claude/claude_desktop_config.json"},
    {ConfigOwner::Client, "OpenCode", "~/.opencode.json"},
    {ConfigOwner::Client, "OpenCode", "$CONFIG/opencode/opencode.json"},
    {ConfigOwner::Client, "OpenCode", "$CONFIG/opencode/opencode.jsonc"},
    {ConfigOwner::Client, "OpenCode", "$APPS/OpenCode/opencode_config.json"},
    {ConfigOwner::Client, "OpenCode", "$APPS/OpenCode/opencode_desktop_config.json"},
    {ConfigOwner::Client, "OpenCode", "$APPS/opencode/opencode_config.json"},
    {ConfigOwner::Client, "Gemini CLI", "~/.gemini/settings.json"},
    {ConfigOwner::Client, "Codex", "$CODEX/config.toml"},
    {ConfigOwner::Client, "Cursor", "~/.cursor/mcp.json"},
    {ConfigOwner::Client, "Windsurf", "~/.codeium/windsurf/mcp_config.json"},
    {ConfigOwner::Client, "VS Code", "$APPS/Code/User/mcp.json"},
    {ConfigOwner::Client, "VS Code", "$APPS/Code/User/settings.json"},
    {ConfigOwner::Client, "VS Code Insiders", "$APPS/Code - Insiders/User/mcp.json"},
    {ConfigOwner::Client, "VS Code Insiders", "$APPS/Code - Insiders/User/settings.json"},
    {ConfigOwner::Client, "Zed", "$CONFIG/zed/settings.json"},
    {ConfigOwner::Client, "Zed", "$APPS/Zed/settings.json"},
    {ConfigOwner::Client, "Antigravity", "~/.antigravity/settings.json"},
    {ConfigOwner::Client, "Antigravity", "~/.antigravity/mcp.json"},
    {ConfigOwner::Client, "Antigravity", "~/.gemini/antigravity/mcp_config.json"},
};

std::string variable(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? std::string() : value;
}

std::string home_folder() {
  if (std::string home = variable("HOME"); !home.empty()) return home;
  const passwd* user = getpwuid(getuid());
  return user != nullptr ? user->pw_dir : "/tmp";
}

std::string config_home() {
  const std::string named = variable("XDG_CONFIG_HOME");
  return named.starts_with('/') ? named : home_folder() + "/.config";
}

bool is_true(std::string_view word) {
  return word == "1" || word == "true" || word == "yes" || word == "on" || word == "True";
}

// One path with links resolved: the same file is read once, whatever ways lead to it.
std::string canonical(const std::string& path) {
  std::error_code failed;
  const std::string resolved = fs::canonical(path, failed).string();
  return failed ? path : resolved;
}

class Finder {
 public:
  explicit Finder(const UpstreamConfigPlaces& places)
      : places_(places), at_home_(canonical(places.working_directory) == canonical(places.home)) {}

  void add_named(const std::string& path) {
    const std::string absolute = resolved_path(path, places_.working_directory);
    if (is_directory(absolute)) return add_folder({"", ConfigOwner::Named, ""}, absolute);
    add({absolute, ConfigOwner::Named, "", is_regular_file(absolute)});
  }

  void add_place(const Place& place) {
    for (const std::string& path : paths_of(place.path)) {
      const ConfigFile file{path, place.owner, place.client};
      constexpr std::string_view kAll = "/*.json";
      if (path.ends_with(kAll)) {
        add_folder(file, path.substr(0, path.size() - kAll.size()));
      } else if (is_regular_file(path)) {
        add(file);
      }
    }
  }

  std::vector<ConfigFile> take() { return std::move(files_); }

 private:
  std::vector<std::string> paths_of(std::string_view path) const {
    const std::size_t slash = path.find('/');
    const std::string_view root = path.substr(0, slash);
    const std::string rest(path.substr(slash));
    if (root == "~") return {places_.home + rest};
    if (root == ".") return {places_.working_directory + rest};
    if (root == "$CONFIG") return {places_.config_home + rest};
    if (root == "$CODEX") return {places_.codex_home + rest};
    std::vector<std::string> paths;
    for (const std::string& folder : places_.application_folders) paths.push_back(folder + rest);
    return paths;
  }

  // In the order of their names, so that it is the same at every start.
  void add_folder(const ConfigFile& like, const std::string& folder) {
    std::vector<std::string> paths;
    std::error_code failed;
    fs::directory_iterator entries(folder, failed);
    for (const fs::directory_iterator end; !failed && entries != end; entries.increment(failed)) {
      const std::string path = entries->path().string();
      if (!path.ends_with(".json") || !is_regular_file(path)) continue;
      paths.push_back(path);
      if (paths.size() >= limits::kMaximumConfigurationFiles) break;
    }
    std::sort(paths.begin(), paths.end());
    for (const std::string& path : paths) add({path, like.owner, like.client});
  }

  void add(ConfigFile file) {
    // A file of the home folder is no project's, also where that is the working directory.
    if (at_home_ && file.owner == ConfigOwner::Project) file.owner = ConfigOwner::Client;
    const auto [at, is_new] = seen_.emplace(canonical(file.path), files_.size());
    if (is_new) {
      files_.push_back(std::move(file));
    } else if (file.owner == ConfigOwner::Named) {
      // Who names a client's file wants it read.
      files_[at->second].owner = ConfigOwner::Named;
    }
  }

  const UpstreamConfigPlaces& places_;
  const bool at_home_;
  std::vector<ConfigFile> files_;
  std::map<std::string, std::size_t> seen_;  // real path → which of the files
};

}  // namespace

std::string find_configuration_directory() { return config_home() + "/pyember"; }

UpstreamConfigPlaces find_upstream_config_places(std::vector<std::string> named) {
  UpstreamConfigPlaces places;
  places.named = std::move(named);
  places.last = variable("MCP_SERVERS_CONFIG");
  places.home = home_folder();
  places.working_directory = working_directory();
  places.config_home = config_home();
  places.application_folders = {places.config_home, places.home + "/Library/Application Support"};
  // Windows' own, which its Linux is given when WSLENV says so.
  if (const std::string data = variable("APPDATA"); data.starts_with('/')) {
    places.application_folders.push_back(data);
  }
  const std::string codex = variable("CODEX_HOME");
  places.codex_home = codex.starts_with('/') ? codex : places.home + "/.codex";
  places.imports_file = find_configuration_directory() + "/imported-upstreams.json";
  places.allows_itself = is_true(variable("MCP_BRIDGE_ALLOW_SELF_SERVER"));
  return places;
}

std::vector<ConfigFile> config_files(const UpstreamConfigPlaces& places) {
  Finder finder(places);
  for (const std::string& path : places.named) finder.add_named(path);
  if (!places.named_only) {
    for (const Place& place : kPlaces) finder.add_place(place);
  }
  if (!places.last.empty()) finder.add_named(places.last);
  return finder.take();
}

}  // namespace pyember::host

#pragma once

#include <string>
#include <vector>

namespace pyember::host {

// Whose a file is decides whether it is read.
enum class ConfigOwner {
  Named,    // named by an option or a variable: read
  User,     // the user's own, for programs like this one: read
  Client,   // another program's: its entries hold that program's credentials, and a server that is
            // started twice may do things twice. Read once the user has imported it
  Project,  // of the working directory, perhaps written by somebody else: read once imported, and
            // again when it has changed
};

struct ConfigFile {
  std::string path;  // absolute
  ConfigOwner owner = ConfigOwner::User;
  std::string client;  // whose it is, for people: "Claude Desktop"
  bool exists = true;  // false only for named ones
};

// Where definitions of upstreams are looked for.
struct UpstreamConfigPlaces {
  std::vector<std::string> named;  // --upstreams: files, or folders whose *.json are meant
  std::string last;                // MCP_SERVERS_CONFIG; empty: none. It only adds
  std::string home;
  std::string working_directory;
  std::string config_home;  // $XDG_CONFIG_HOME, or ~/.config
  // Where desktop programs keep what they are set to, on any system.
  std::vector<std::string> application_folders;
  std::string codex_home;      // $CODEX_HOME, or ~/.codex
  std::string imports_file;    // which files were imported
  bool allows_itself = false;  // MCP_BRIDGE_ALLOW_SELF_SERVER
  bool named_only = false;     // what no option or variable names is not looked at
};

// As this process's environment says.
UpstreamConfigPlaces find_upstream_config_places(std::vector<std::string> named = {});

// The folder of what the user has set of pyember: $XDG_CONFIG_HOME/pyember, or ~/.config/pyember.
// Need not exist.
std::string find_configuration_directory();

// Every file of these places that exists, and named ones also when they do not: in the order in
// which their definitions win, each once. Nothing is read but names.
std::vector<ConfigFile> config_files(const UpstreamConfigPlaces& places);

}  // namespace pyember::host

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/upstream/config/definition.h"
#include "host/upstream/config/variables.h"
#include "mcp/json.h"

namespace pyember::host {

// Around an entry: where it stands, and what its variables mean.
struct EntrySurroundings {
  std::string file;
  std::string description;        // of the file; taken when the entry has none
  std::string working_directory;  // relative cwd are relative to it
  VariableLookup lookup;
};

struct ReadEntry {
  // All but the alias. Empty: the entry can't be used, and a warning says why.
  std::optional<UpstreamDefinition> definition;
  bool disabled = false;              // there is a definition, which nobody wants used
  std::vector<std::string> warnings;  // in three parts, without values of the configuration
};

// One server's entry, in the spelling of any client: command with args, env and cwd (Zed's command
// is an object, OpenCode's a list), or url with headers (Gemini: httpUrl; Windsurf: serverUrl;
// Codex: http_headers, bearer_token_env_var …). The entry may hold anything.
ReadEntry read_entry(const std::string& name, const mcp::Json& entry,
                     const EntrySurroundings& surroundings);

}  // namespace pyember::host

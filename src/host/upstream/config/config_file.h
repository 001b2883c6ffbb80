#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "mcp/json.h"

namespace pyember::host {

// What one file says of servers, as it is written there.
struct ConfigContents {
  std::vector<std::pair<std::string, mcp::Json>> entries;  // name, definition; names may repeat
  std::string description;  // of those servers that have none of their own
};

// Reads a file of any client: JSON (with comments, commas before brackets) or, named *.toml, TOML.
// Servers are found under mcpServers, servers, mcp.servers, mcp_servers, mcp and context_servers,
// and, as Claude Code keeps them, under projects → `working_directory` → mcpServers. An error when
// it can't be read; a file without servers has no entries. An empty file is one of these.
Result<ConfigContents> read_config_file(const std::string& path,
                                        const std::string& working_directory);

// The same of a text that was read.
ConfigContents find_servers(const mcp::Json& whole, const std::string& working_directory);

// SHA-256 of what a file says of servers, to see whether it has changed.
std::string digest_of(const ConfigContents& contents);

}  // namespace pyember::host

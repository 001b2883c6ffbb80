#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/terminal.h"
#include "host/upstream/config/definition.h"
#include "host/upstream/tools/tool_description.h"
#include "mcp/json.h"

// What the commands on upstreams say alike.
namespace pyember::cli {

// Without characters that would move a terminal's cursor: upstreams and files are others' words.
std::string printable(std::string_view text);

// With ~ for the home folder.
std::string short_path(const std::string& path);

std::string grouped(std::uint64_t number);  // 12,345

// "1 tool", "2 tools"
std::string counted(std::uint64_t number, std::string_view noun);

// What a client that lists these tools would pay in each request: a token for every four bytes of
// name, description and inputSchema.
std::uint64_t schema_tokens(const host::ServerTools& tools);
std::string tools_and_tokens(const host::ServerTools& tools);  // "26 tools, about 4,120 tokens"

// Words on lines that begin with `indent`, no wider than the terminal.
void write_wrapped(const Terminal& out, const std::vector<std::string>& words,
                   std::string_view indent);

// What is known of a definition, without secrets: names of variables and headers, not their values.
mcp::Json describe_definition(const host::UpstreamDefinition& definition);

std::string pretty(const mcp::Json& json);

// The definitions of these names or aliases, all for none. Those that are missing are told, and
// `complete` becomes false.
std::vector<host::UpstreamDefinition> chosen(const std::vector<host::UpstreamDefinition>& all,
                                             const std::vector<std::string>& names, bool& complete);

}  // namespace pyember::cli

#pragma once

#include <map>
#include <string>
#include <string_view>

#include "mcp/json.h"

namespace pyember::host {

// What is remembered of one tool of an upstream.
struct PinnedTool {
  std::string description;   // at most limits::kPinnedTextBytes, as the next
  std::string input_schema;  // canonical JSON text
  std::string digest;        // of all that counts, uncut
  bool only_reads = false;   // as the upstream claims

  bool operator==(const PinnedTool&) const = default;
};

// By name.
using PinnedTools = std::map<std::string, PinnedTool>;

// Of a list of tools as it came (result.tools); what has no name is left out.
PinnedTools pinned_tools(const mcp::Json& list);

// A digest of them all: 64 hexadecimal digits.
std::string digest_of(const PinnedTools& tools);

// What is different, for people and models: a line for each tool that was added, removed or
// changed, with the words that changed; at most about limits::kToolChangeBytes. What upstreams
// wrote stands in quotes, on one line, without control characters.
std::string describe_changes(const PinnedTools& before, const PinnedTools& now);

// As they are kept in a file, and back; a text that is none gives nothing.
mcp::Json to_json(const PinnedTools& tools);
PinnedTools from_json(const mcp::Json& tools);

}  // namespace pyember::host

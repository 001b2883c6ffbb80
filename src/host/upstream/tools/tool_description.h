#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mcp/json.h"

// What an upstream's tools are, as its tools/list says it. Everything here was written by the
// upstream and is only data: bounded, of the types named, and never a promise.
namespace pyember::host {

struct UpstreamDefinition;

struct ToolDescription {
  std::string name;         // as the upstream has it, never empty; unique in its list
  std::string alias;        // a Python name, unique in its list (see tool_aliases)
  std::string title;        // for people; may be empty
  std::string description;  // valid UTF-8; may be empty
  mcp::Json input_schema;   // an object; {"type":"object"} where the upstream gave none
  mcp::Json output_schema;  // an object; null: none given
  mcp::Json annotations;    // an object; null: none given. Hints: untrusted
};

struct ServerTools {
  std::string server;  // UpstreamDefinition's name, alias, description and fingerprint
  std::string alias;
  std::string description;
  std::string fingerprint;
  std::vector<ToolDescription> tools;  // in the upstream's order

  const ToolDescription* find(std::string_view name_or_alias) const;  // names before aliases
};

// Shared, because a list goes on being read (by the index, by a call in flight) when the upstream's
// next one has taken its place. Never changed.
using SharedTools = std::shared_ptr<const ServerTools>;

// From the `tools` of a tools/list result (the pages put together), or of the store. What is no
// list has no tools. Left out: entries without a name, a name said twice, what is above
// limits::kUpstreamTools, a schema that is too large (its tool stays, taking any arguments).
ServerTools read_tools(const UpstreamDefinition& definition, const mcp::Json& tools);

// The same as a list again, as the store keeps it.
mcp::Json tools_as_json(const ServerTools& tools);

// Python names for the names of one list, in its order: lower case; runs of characters that a name
// can't have become '_'; one that begins with a digit gets a '_' before it, a keyword one behind
// it; the second of two that are the same gets `_2`.
std::vector<std::string> tool_aliases(const std::vector<std::string_view>& names);

}  // namespace pyember::host

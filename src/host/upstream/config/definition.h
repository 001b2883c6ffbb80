#pragma once

#include <map>
#include <string>
#include <vector>

namespace pyember::host {

// An MCP server behind this one, as the configuration has it. Variables are expanded in all of its
// texts but those that say otherwise; none holds a NUL.
struct UpstreamDefinition {
  enum class Kind { Stdio, Http };  // Http: Streamable HTTP; what says "sse" is tried as that

  std::string name;   // as configured
  std::string alias;  // lower case, [a-z0-9_], unique among all
  Kind kind = Kind::Stdio;
  std::string command;
  std::vector<std::string> arguments;              // may hold secrets: show `shown` instead
  std::map<std::string, std::string> environment;  // secret
  std::string working_directory;                   // absolute; empty: the server's; may be missing
  std::string url;                                 // http or https; may hold secrets
  std::map<std::string, std::string> headers;      // secret
  std::string description;                         // may be empty
  std::string source;                              // the file it comes from, for people
  // How it is started, or its URL, for people: not expanded, and without what looks like a secret.
  std::string shown;
  // SHA-256 (hex) of name, kind, command, arguments, working directory and url, the texts as they
  // are written in the file: the key of caches. No secret of environment or headers goes into it.
  std::string fingerprint;
};

struct UpstreamConfiguration {
  std::vector<UpstreamDefinition> upstreams;  // the first definition of a name; names differ
  std::vector<std::string> warnings;          // in three parts; without secrets
  // Files that exist and may define servers, and which nobody has allowed to be read.
  std::vector<std::string> not_imported;
};

}  // namespace pyember::host

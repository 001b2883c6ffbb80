#pragma once

#include <map>
#include <string>
#include <vector>

namespace pyember::host {

// An MCP server behind this one, as the configuration has it.
struct UpstreamDefinition {
  enum class Kind { Stdio, Http };  // Http: Streamable HTTP; what says "sse" is tried as that

  std::string name;   // as configured
  std::string alias;  // lower case, [a-z0-9_], unique among all
  Kind kind = Kind::Stdio;
  std::string command;
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;  // expanded; secret
  std::string working_directory;                   // empty: the server's; it may be missing
  std::string url;
  std::map<std::string, std::string> headers;  // expanded; secret
  std::string description;                     // may be empty
  std::string source;                          // the file it comes from, for people
  // SHA-256 (hex) of name, kind, command, arguments, working directory and url: the key of caches.
  // No secret goes into it.
  std::string fingerprint;
};

struct UpstreamConfiguration {
  std::vector<UpstreamDefinition> upstreams;
  std::vector<std::string> warnings;
};

}  // namespace pyember::host

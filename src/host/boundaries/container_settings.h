#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pyember::host {

// What people may say about containers, from environment variables. Where a setting has two names
// the first that is set wins; one that is set to nothing counts as not set.
//
//   MCP_BRIDGE_RUNTIME                              podman, docker, or a program's path
//   MCP_BRIDGE_IMAGE
//   MCP_BRIDGE_MEMORY_LIMIT, MCP_BRIDGE_MEMORY      bytes, or with k, m or g behind
//   MCP_BRIDGE_CPU_QUOTA                            microseconds of every 100 ms
//   MCP_BRIDGE_CPUS                                 the same in cores: 0.5
//   MCP_BRIDGE_PIDS_LIMIT, MCP_BRIDGE_PIDS          processes and threads together
//   MCP_BRIDGE_SECURITY_OPT                         words, each a --security-opt of its own
//   MCP_BRIDGE_CONTAINER_USER                       UID[:GID], or names of the image's
//   PYEMBER_CONTAINER_GLOBAL_ARGS                   words for the runtime, before `run`
//   PYEMBER_CONTAINER_ARGS                          words for `run`, behind all of ours
//
// Words are told apart as a shell does it: blanks divide, quotes and a backslash keep together.
struct ContainerSettings {
  std::string runtime;  // empty: the first that is found
  std::string image;
  std::uint64_t memory_bytes = 0;
  std::optional<std::uint64_t> cpu_quota_us;  // of every 100 ms; unset: all there is
  std::uint64_t processes = 0;
  std::vector<std::string> security_options;
  std::string user;
  std::vector<std::string> global_arguments;
  std::vector<std::string> run_arguments;

  bool operator==(const ContainerSettings&) const = default;
};

// Looks a variable up; null: it is not set.
using Variables = std::function<const char*(const char* name)>;

// The error names the variable, what is wrong with it and what would be right.
Result<ContainerSettings> read_container_settings(const Variables& variables);
Result<ContainerSettings> read_container_settings();  // from this process's environment

// Whether MCP_BRIDGE_RUNTIME, being this, asks for a container runtime: "auto", "sandbox" and
// "native" leave the choice to the server.
bool names_container_runtime(std::string_view runtime);

// The image when none is named, and the user in it: nobody.
inline constexpr const char* kContainerImage = "ghcr.io/elusznik/mcp-code-execution-mode:latest";
inline constexpr const char* kContainerUser = "65534:65534";

// nullopt: a quote is not closed.
std::optional<std::vector<std::string>> split_words(std::string_view text);

}  // namespace pyember::host

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"

namespace pyember::host {

// Something of the machine's, as the sandbox sees it.
struct SandboxPath {
  std::string outside;
  std::string inside;     // empty: the same path
  bool optional = false;  // left out when it does not exist
};

// An empty folder in memory, the sandbox's own; nothing in it can be executed.
struct SandboxFolder {
  std::string path;
  std::uint64_t bytes = 0;
  std::uint64_t inodes = 0;
  unsigned mode = 0;
};

// Limits for each process, kept by the kernel whether or not there are control groups. Those of the
// sandbox as a whole are kept by the groups it is put into (SandboxPlan::control_groups).
struct SandboxLimits {
  std::optional<std::uint64_t> address_space_bytes;  // of each process
  std::optional<std::uint64_t> file_size_bytes;      // of each file
  std::optional<std::uint64_t> open_files;           // of each process
  // Processes and threads of the whole sandbox, where no control group counts them. It is kept by a
  // user namespace, so an ordinary user's sandbox has it for nothing, and root's gets one for it.
  std::optional<std::uint64_t> processes;
};

// What is inside a sandbox besides the system's programs and libraries: nothing that does not stand
// here. There is no network in any.
struct SandboxPlan {
  std::vector<SandboxPath> read_only;
  std::vector<SandboxPath> read_write;
  std::vector<SandboxPath> sockets;  // Unix sockets of the server's to connect to
  std::vector<std::pair<std::string, std::string>> links;  // path inside, what it points to
  std::vector<SandboxFolder> folders = {
      {"/tmp", limits::kBoundaryTmpBytes, limits::kSandboxTmpInodes, 01777},
      {"/workspace", limits::kBoundaryFolderBytes, limits::kSandboxFolderInodes, 0700},
      {"/dev/shm", limits::kBoundaryTmpBytes, limits::kSandboxSharedInodes, 01777}};
  std::vector<std::string> environment;  // "NAME=value": all of it, nothing is inherited
  std::string working_directory = "/workspace";
  SandboxLimits limits;
  // Folders of control groups that the sandbox enters before anything else of it exists.
  std::vector<std::string> control_groups;
};

}  // namespace pyember::host

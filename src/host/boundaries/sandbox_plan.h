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

// A file of the sandbox's own, which can't be changed: what there is to be read from a descriptor
// of the process that starts the sandbox.
struct SandboxFile {
  int descriptor = -1;
  std::string path;
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
  // Of those bound: folders whose owner's the sandbox's user may do what the owner may, also where
  // it is another user (src/sandbox/owned_folder.h).
  std::vector<std::string> owned;
  std::vector<SandboxFile> files;
  std::vector<SandboxFolder> folders = {
      {"/tmp", limits::kBoundaryTmpBytes, limits::kSandboxTmpInodes, 01777},
      {"/workspace", limits::kBoundaryFolderBytes, limits::kSandboxFolderInodes, 0700},
      {"/dev/shm", limits::kBoundaryTmpBytes, limits::kSandboxSharedInodes, 01777}};
  std::vector<std::string> environment;  // "NAME=value": all of it, nothing is inherited
  // Not empty: the environment is that of whoever starts the sandbox, of which the program gets the
  // variables that begin with this, without it.
  std::string variables_prefix;
  std::string working_directory = "/workspace";
  bool outlasts_term = false;  // SIGTERM to all of it ends the program alone, if it does that
  SandboxLimits limits;
  // Folders of control groups that the sandbox enters before anything else of it exists.
  std::vector<std::string> control_groups;
};

}  // namespace pyember::host

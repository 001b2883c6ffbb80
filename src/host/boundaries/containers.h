#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/boundaries/container_settings.h"

namespace pyember::host {

// podman, docker or what takes their command line. Finding one starts nothing: whether it works is
// seen when it is used (container_failures.h).
struct ContainerRuntime {
  enum class Kind { Podman, Docker };  // which options it knows
  std::string program;                 // absolute
  Kind kind = Kind::Podman;
};

// The one that is named (MCP_BRIDGE_RUNTIME), else podman, else docker, on PATH. The error, "No
// container runtime found", names the ways out.
Result<ContainerRuntime> find_container_runtime(const std::string& named);

// Where a container has what the server gives it. All of it is mounted read-only.
inline constexpr const char* kContainerRuntimeDirectory = "/opt/pyember/runtime";
inline constexpr const char* kContainerBundledDirectory = "/opt/pyember/bundled";
inline constexpr const char* kContainerExchange = "/ipc";
inline constexpr const char* kContainerPackages = "/packages";
inline constexpr const char* kContainerFolder = "/workspace";
inline constexpr const char* kContainerControl = "/ipc/control.sock";
inline constexpr const char* kContainerFilter = "/ipc/filter";

// Something of the machine's that a container has by request (allowance.h): a path, a socket.
struct ContainerMount {
  std::string outside;
  std::string inside;
  bool writable = false;
};

// Everything that is particular to one container.
struct ContainerPlan {
  std::string name;                 // container_name()
  std::vector<std::string> labels;  // container_labels()
  // Folders of the machine. The exchange folder holds control.sock, at which the server listens,
  // and `filter`, the seccomp program (seccomp_program.h) that the keeper loads before anything
  // else: the runtime's own lets more through. All of it must be open to the user of the container,
  // who on the machine is another than the server's: 0755, the socket 0666, the filter 0644. Keep
  // other users out with the folder above, 0700.
  std::string exchange_directory;
  std::string packages_directory;  // what is put there later appears at /packages; may be empty
  std::string runtime_directory;   // holds mcp_runtime
  std::string bundled_directory;
  std::vector<std::string> read_only;  // environments and such: at the same path
  std::vector<ContainerMount> allowed = {};
  // "NAME=value", besides ours; "NAME": as whoever runs the command has it.
  std::vector<std::string> environment = {};
  std::string working_directory = kContainerFolder;
  std::vector<std::string> program = {};  // of python3, in place of the keeper
};

// The command that starts a container whose first process is the keeper of a zygote
// (docs/workers.md), which connects to the exchange folder's socket. It ends when the container has
// ended, which then is removed. Killing it leaves the container running: see remove_command().
//
// What holds: no network, nothing writable but /tmp, /workspace and /dev/shm (bounded, nothing can
// be run from there), no capabilities, no new ones, an ordinary user, bounds on memory and
// processes. Arguments of the user's come last and may take any of that back.
std::vector<std::string> run_command(const ContainerRuntime& runtime,
                                     const ContainerSettings& settings, const ContainerPlan& plan);

// Kills and removes a container, whether or not there is one.
std::vector<std::string> remove_command(const ContainerRuntime& runtime,
                                        const ContainerSettings& settings,
                                        const std::vector<std::string>& names);

// Fetches the image, which may take minutes; run_command() never does.
std::vector<std::string> pull_command(const ContainerRuntime& runtime,
                                      const ContainerSettings& settings);

// Whether the runtime can keep a container's memory and processes within bounds. An ordinary user's
// podman can only where control groups of version 2 are handed down to him; where it can't it says
// so and goes on, and run_command() holds each process by itself: its address space, and how many
// there are in the container.
bool bounds_are_kept(const ContainerRuntime& runtime);

}  // namespace pyember::host

#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/spawn.h"
#include "host/boundaries/sandbox_plan.h"

namespace pyember::host {

// The program in a sandbox sees the plan and nothing else of the machine: its own process, network,
// IPC and host name namespaces, a read-only root, user and group 65534, no capability and no way to
// get one, a seccomp filter (seccomp_program.h). Two programs of the same name surround bubblewrap:
//
//   pyember-enter --join … -- bwrap … -- pyember-enter --private … --confine 9 … -- PROGRAM
//
// Run by an ordinary user the sandbox is a user namespace, in which 65534 stands for that user. Run
// by root there is none: the code is user 65534 indeed, and everything it may read must be readable
// by everybody.

// 9 is the filter's descriptor on the way, 10 another one: the program has neither.
inline constexpr int kSandboxFilterDescriptor = 9;
// Where the sandbox has pyember-enter itself.
inline constexpr const char* kEnterInSandbox = "/run/pyember-enter";

struct SandboxCommand {
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  // To be added last to those of the caller's, none of which is 9 or 10.
  std::vector<ChildDescriptor> descriptors;
};

// For spawn_on_its_own, which must be called on a thread that lives as long as the sandbox shall:
// when the thread that started it ends, the kernel kills the sandbox. The program is looked for on
// the PATH of the plan's environment. It has all descriptors the caller gives it, and
// its parent, the first process of the namespace, has none. The process that is started ends as the
// program does, with 128 and the signal's number where that was killed; killing it kills everything
// in the sandbox.
Result<SandboxCommand> sandbox_command(const SandboxPlan& plan, std::vector<std::string> program);

// Whether sandboxes can be had here, found out by starting one: some milliseconds, once; when they
// can't, again at each call. The error says why not and what would help. Any thread.
Result<void> sandbox_available();

// bwrap, absolute: PYEMBER_BWRAP, else the first on PATH. Empty: not there.
std::string find_bubblewrap();

}  // namespace pyember::host

#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "host/boundaries/bubblewrap.h"

namespace pyember::host {

// The weaker wall, for machines without user namespaces and only when asked for: the program is an
// ordinary process of the machine, kept by Landlock and a seccomp filter from files, sockets and
// processes that a sandbox would not have in it. What it can't keep away: that paths exist and who
// owns them (stat), what processes there are and how they were started (/proc), the machine's name
// and network addresses, and, of disk and processes, more than a control group bounds.
//
// The program is the server's own user, for which Linux 6.12 is needed: before, it could signal
// that user's processes. Only where the server is root and has given the folder to user 65534 is it
// that one, who then has to get to Python and to what it may change by himself.

// The only places besides plan.read_write that the program may change.
struct FencedFolders {
  std::string own;        // its working directory and home
  std::string temporary;  // for temporary files and caches; may be the same
};

// For spawn_on_its_own, like sandbox_command. Of the plan count its paths (at their own places:
// what shall be seen elsewhere is an error), environment, limits for each process and control
// groups.
Result<SandboxCommand> fenced_command(const SandboxPlan& plan, const FencedFolders& folders,
                                      std::vector<std::string> program);

// Whether fences can be had here, as sandbox_available.
Result<void> fence_available();

}  // namespace pyember::host

#pragma once

#include <sys/types.h>

#include "host/runs/process_identity.h"

namespace pyember::host {

// The process that calls itself `inner` in a pid namespace of its own, looked for among `root` and
// its descendants; pid 0 when there is none. What a process behind a boundary says about pids is
// not to be trusted: with this, it can't name anything but its own. Reads a few files of /proc.
ProcessIdentity find_in_namespace(pid_t root, pid_t inner);
// The same where there is a boundary and no namespace: the process is called so by everybody, and
// has to be `root` or a descendant of it all the same.
ProcessIdentity find_among_descendants(pid_t root, pid_t pid);

}  // namespace pyember::host

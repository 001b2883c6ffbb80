#pragma once

#include <sys/types.h>

namespace pyember::supervisor {

// Makes this process the parent of what its dead children leave behind.
void adopt_orphans();

// Kills this process's children but the server and runners of jobs (which outlive servers, with
// what they run), and in turn what those leave to us. Some are still dying when it returns.
void kill_leftovers(pid_t server);

}  // namespace pyember::supervisor

#pragma once

#include <sys/types.h>

#include <vector>

namespace pyember::runner {

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  char state = '?';  // 'Z': dead, not yet reaped
};

// The pids that /proc lists now, ascending.
std::vector<pid_t> listed_pids();
// What /proc/PID/stat says; pid 0: there is no such process (any more).
Process read_process(pid_t pid);

// Every living descendant of this process, whatever group or session it has moved to: a process
// whose parent ends becomes our child where we are a subreaper. Looks at all of /proc.
std::vector<Process> living_descendants();

// The process that `pid` has become, for programs that go on in a child of the same name: podman as
// an ordinary user's does, to enter its user namespace.
pid_t innermost_process(pid_t pid);

// Sends `signal` to every living descendant, and SIGCONT after SIGTERM so that a stopped one hears
// it. SIGKILL also goes to their process groups as wholes, which no forking outruns. True: there
// was one.
bool signal_descendants(int signal);

}  // namespace pyember::runner

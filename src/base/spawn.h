#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace pyember {

// A descriptor as the new process has it.
struct ChildDescriptor {
  int number = 0;
  int from = -1;        // ours; -1: /dev/null …
  int null_access = 0;  // … opened with this access (O_RDONLY, O_RDWR)
};

// Starts a program that lives on its own: in a process session of its own (no signal of our
// terminal's reaches it), with no signal blocked or ignored, allowed on every CPU, and with no
// descriptor of ours but those named. `arguments` begin with the program's path; without a working
// directory it gets ours. 0, or an errno.
//
// posix_spawn and not uv_spawn: it copies no page tables, waits once for the new process to get a
// CPU, not twice, and may be called on any thread.
int spawn_on_its_own(std::vector<std::string> arguments, std::vector<std::string> environment,
                     const std::vector<ChildDescriptor>& descriptors, pid_t& pid,
                     const char* working_directory = nullptr);

}  // namespace pyember

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace pyember::host {

// One process, told apart from every other that ever had its number: by when it was started
// (field 22 of /proc/PID/stat, in clock ticks since boot) and in which boot of the machine.
struct ProcessIdentity {
  pid_t pid = 0;  // 0: nobody
  std::uint64_t start_ticks = 0;
  std::string boot_id;

  bool operator==(const ProcessIdentity&) const = default;
};

ProcessIdentity own_identity();
ProcessIdentity identity_of(pid_t pid);  // start_ticks 0: there is no such process

// Exists, and is no zombie.
bool is_alive(const ProcessIdentity& process);
// There is not even a zombie of it left.
bool is_reaped(const ProcessIdentity& process);

// A descriptor that becomes readable when the process ends; -1: it has ended, or the kernel has no
// such thing. The caller closes it.
int open_process(const ProcessIdentity& process);

// False when the process is gone. Never reaches another process that has got its number.
bool signal_process(const ProcessIdentity& process, int number);

// Kills the process and all of its descendants with SIGKILL: it is stopped first, so that it
// starts no others meanwhile, and is the last to die.
void kill_tree(const ProcessIdentity& root);

}  // namespace pyember::host

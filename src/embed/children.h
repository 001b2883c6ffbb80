#pragma once

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "embed/session_slot.h"

// The child processes of sessions: who they belong to, waiting for them, ending them.
//
// A session's child is known when note_child() was told of it (the Python side does so wherever it
// starts one). Its descendants and what it left to init are found through /proc: by parent, and by
// the mark PYEMBER_SESSION=<serial> in the environment, which children inherit.
// All functions may be called on any thread; none touches Python.
namespace pyember::embed {

inline constexpr char kSessionMark[] = "PYEMBER_SESSION";

// A process as long as it lives: when it is gone, another one may get its number, but not its
// start.
struct ProcessIdentity {
  pid_t pid = 0;
  unsigned long long started = 0;  // /proc/PID/stat, field 22: in clock ticks since boot
};

// A child that just started, and was not waited for. `pid` 0: the session may have children nobody
// knows the numbers of (a shell's background jobs).
void note_child(const SessionSlot& slot, pid_t pid);
void note_child(const SessionSlot& slot, ProcessIdentity child);
void forget_child(const SessionSlot& slot, pid_t pid);
bool belongs_to_another(const SessionSlot& slot, pid_t pid);  // noted by a different session
std::vector<pid_t> children(const SessionSlot& slot);

// Call on a server thread. Ends everything the session left running: SIGTERM, a short grace,
// SIGKILL, and reaps its own children. True when nothing of it is left. Takes at most `deadline`.
bool end_children(const SessionSlot& slot, std::chrono::milliseconds deadline);

// wait4() for any child (`pid` -1, 0 or a group), limited to the session's noted children. `wait`
// is the real wait4 for one child. ECHILD when there is none, ECANCELED when a stop was asked for.
pid_t wait_for_any_child(const SessionSlot& slot, pid_t pid, int options,
                         const std::function<pid_t(pid_t child, int options)>& wait);

// waitid() under the same rule.
int wait_for_child_state(const SessionSlot& slot, idtype_t type, id_t id, siginfo_t* info,
                         int options,
                         const std::function<int(idtype_t, id_t, siginfo_t*, int)>& wait);

}  // namespace pyember::embed

#pragma once

#include "sandbox/failure.h"

namespace pyember::sandbox {

// Outside: makes `descriptor` one by which another process sees this one end, and what it becomes
// by exec: bubblewrap. Kernels older than 5.3 have none; the program then ends when it is told to.
void show_own_end(int descriptor);

// Returns in a child of this process, and never in this one: the first of its process namespace, it
// reaps what is left to it and ends as that child ends, or when `outside` (show_own_end) tells that
// bubblewrap did, upon which the kernel ends all others.
//
// It is this program and not bubblewrap's own first process because that one has no seccomp filter,
// and, run by an ordinary user, belongs to the same user as the code in here: who can write to its
// memory has no filter either. And it looks at a descriptor because the signal that bubblewrap's
// end would send (--die-with-parent) may not be sent by root without capabilities to another user.
Failure stay_behind_as_first_process(int outside);

}  // namespace pyember::sandbox

#pragma once

#include "sandbox/failure.h"

namespace pyember::sandbox {

// Returns in a child of this process, and never in this one: the first of its process namespace, it
// reaps what is left to it and ends as that child ends, upon which the kernel ends all others.
//
// It is this program and not bubblewrap's own first process because that one has no seccomp filter,
// and, run by an ordinary user, belongs to the same user as the code in here: who can write to its
// memory has no filter either.
Failure stay_behind_as_first_process();

}  // namespace pyember::sandbox

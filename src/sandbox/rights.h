#pragma once

#include "sandbox/options.h"

namespace pyember::sandbox {

// Gives up what the program shall not have, for good, in the one order that works: the limits; the
// user, for which root's capabilities are needed; a keyring of the server's; every capability; the
// chance to get one back by executing something; files outside of the fence, if there is one; and
// last the system calls that the filter refuses.
//
// `processes` is kept by RLIMIT_NPROC, which the kernel counts for each user of a user namespace
// (5.14) and never for root. bubblewrap has made a namespace where an ordinary user started it; for
// real root (`user` is set) this makes one, so that the sandboxes don't count each other.
Failure give_up_rights(const Options& options);

}  // namespace pyember::sandbox

#pragma once

#include "sandbox/options.h"

namespace pyember::sandbox {

// The wall where there are no namespaces: Landlock lets this process and its children open what
// lies at or below `may_read`, for reading and executing, and read and change what lies below
// `may_change`; connect to no TCP port; and, on Linux 6.12 and newer, signal only each other and
// reach only their own abstract sockets. Needs no_new_privs. Nothing is fenced in when there are no
// paths.
//
// An ordinary user's code is the same user as the server, so that only the signals' wall keeps the
// server alive: where the kernel has none (`user` is not set either), it is refused.
Failure put_up_fence(const Options& options);

}  // namespace pyember::sandbox

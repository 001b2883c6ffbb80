#pragma once

namespace pyember::runner {

// Both are called in the child, between fork and exec.

// In a fresh network namespace: makes 127.0.0.1 work, for programs that talk to themselves. Nothing
// outside can be reached or reach in. Not fatal when it can't be done.
void bring_up_loopback();

// Where there can be no network namespace: from now on, and in every process that comes of this
// one, a socket can be of the local kind (AF_UNIX) only. False, with errno: the kernel can't.
bool allow_only_local_sockets();

}  // namespace pyember::runner

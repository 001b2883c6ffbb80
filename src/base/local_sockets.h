#pragma once

namespace pyember {

// From now on, on the calling thread and in every thread and process that comes of it, a socket can
// be of the local kind (AF_UNIX) only: a seccomp filter, which can't be taken back. Other ways to a
// socket (io_uring, system calls by another architecture's numbers) are closed with it. What is
// refused fails with `refusal`. False, with errno: the kernel can't.
bool allow_only_local_sockets(int refusal);

// Whether the kernel has what that needs, without doing it.
bool can_allow_only_local_sockets();

}  // namespace pyember

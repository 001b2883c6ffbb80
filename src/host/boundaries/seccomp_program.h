#pragma once

#include "base/result.h"

namespace pyember::host {

// The system calls that code in a sandbox is refused: those that nothing ordinary needs and that
// lead to the kernel's larger or younger parts (mounts, namespaces, other processes' memory,
// keyrings, io_uring, bpf, modules …), every call this program does not know, and sockets of
// families other than Unix and IP. Refused calls fail with EPERM or, where libraries have another
// way for older kernels, with ENOSYS; nothing is killed.
//
// A descriptor of the compiled program, which can't be changed any more: made at the first call,
// the process's own from then on, close-on-exec. Any thread.
Result<int> sandbox_filter();

// The same for the fence (fence.h), where neither namespaces nor another user keep code from what
// is the server's user's: no sockets but pairs, no System V or POSIX message queues and shared
// memory, no change of rights, owners or attributes of files, no limits or priorities of other
// processes.
Result<int> fence_filter();

}  // namespace pyember::host

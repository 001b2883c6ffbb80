#pragma once

#include "embed/session_core.h"

// The descriptor table of a session's thread: 0 reads nothing, 1 and 2 are the session's pipes, and
// nothing else of the server is in it but the kept one (kept_descriptor.h). All functions act on
// the calling thread's table and are called on a session's own thread, detached.
namespace pyember::embed {

// Gives the calling thread a table, a working directory and a umask of its own, with 0, 1 and 2 on
// /dev/null. Needs no privilege (unshare(2)). False: descriptors have run out.
bool leave_shared_tables();

// Closes whatever is open and opens 0, 1 and 2 for a session. The pipes must not be closed
// meanwhile (SessionCore::mutex). False: /proc is missing or descriptors have run out.
bool take_descriptors(const OutputPipes& pipes);

// Opens 1 and 2 again where the session has closed them; true when there was something to mend. One
// that the session has replaced (dup2) is left alone: it may have meant that.
bool mend_descriptors(const OutputPipes& pipes);

// Opens a pipe of the server's by its number in the server's table, out of the way of numbers that
// code counts on, non-blocking and close-on-exec. `access`: O_RDONLY or O_WRONLY. -1: it could not
// be opened.
int open_server_pipe(int number, int access);

// Sends what is printed from here on nowhere, until take_descriptors.
void mute_descriptors();

// Closes whatever is open, for good: a thread that serves no other session holds on to no file.
void release_descriptors();

// 1 and 2 still are the session's pipes, and nothing waits in them.
bool pipes_are_empty(const OutputPipes& pipes) noexcept;

}  // namespace pyember::embed

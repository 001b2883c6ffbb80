#pragma once

#include "host/loop/event_loop.h"

namespace pyember::host {

// Makes uv_spawn safe beside sessions. libuv's SIGCHLD handler writes to a pipe of its own, and on
// a session's thread, which has a descriptor table of its own, that number is another file: the
// session's. So whatever SIGCHLD lands elsewhere is forwarded to the loop's thread.
//
// Called on the loop's thread before the first uv_spawn; later calls do nothing.
void keep_child_signal_on_loop(EventLoop& loop);

}  // namespace pyember::host

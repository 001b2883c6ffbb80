#pragma once

#include <functional>

#include "host/loop/event_loop.h"

namespace pyember::host {

// Does `work` on a thread of libuv's pool (slow work on files), then calls `after` on the loop's
// thread. Both must not refer to what may be gone by then; what was asked for is always done.
void run_in_pool(EventLoop& loop, std::function<void()> work, std::function<void()> after);

}  // namespace pyember::host

#pragma once

#include "base/result.h"
#include "host/boundaries/sandbox_room.h"

namespace pyember::host {

// Starts a zygote behind a fence (fence.h) in a sandbox's place, for servers that were told to
// where there is none: `why` is what sandbox_available says. Its sessions' folder is one of the
// machine's, and their first answer names the wall as the weaker one. It leads to no host. Loop's
// thread; the loop outlives its room.
Result<StartedZygote> start_behind_fence(EventLoop& loop, const SandboxSettings& settings,
                                         const WorkerPlace& place, const WorkerLimits& limits,
                                         const Error& why);

}  // namespace pyember::host

#pragma once

#include "host/boundaries/sandbox_plan.h"
#include "host/workers/worker_groups.h"

namespace pyember::host {

// The limits of a room: it enters the groups; what no control group keeps is kept for each process
// by itself.
void keep_limits(SandboxPlan& plan, const WorkerLimits& limits, const WorkerGroups& groups);

}  // namespace pyember::host

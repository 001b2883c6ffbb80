#include "host/boundaries/room_limits.h"

#include "base/limits.h"

namespace pyember::host {

void keep_limits(SandboxPlan& plan, const WorkerLimits& limits, const WorkerGroups& groups) {
  plan.limits.open_files = limits::kBoundaryOpenFiles;
  if (groups.memory_path().empty()) {
    if (limits.memory_bytes) {
      plan.limits.address_space_bytes = *limits.memory_bytes + limits::kZygoteAddressSpace;
    }
  } else {
    plan.control_groups.push_back(groups.memory_path());
  }
  if (groups.processes_path().empty()) {
    plan.limits.processes = limits.processes;
  } else {
    plan.control_groups.push_back(groups.processes_path());
  }
}

}  // namespace pyember::host

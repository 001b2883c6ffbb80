#include "host/boundaries/boundary_rooms.h"

#include <utility>

namespace pyember::host {

BoundaryRooms::BoundaryRooms(EventLoop& loop, Settings settings)
    : loop_(loop), settings_(std::move(settings)) {}

Result<StartedZygote> BoundaryRooms::start(const WorkerPlace& place) {
  return start_in_sandbox(loop_, settings_.sandbox, place);
}

WorkerLimits BoundaryRooms::limits(Boundary) const {
  WorkerLimits limits;
  limits.memory_bytes = settings_.sandbox.memory_bytes;
  limits.processes = settings_.sandbox.processes;
  return limits;
}

}  // namespace pyember::host

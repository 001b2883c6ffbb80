#pragma once

#include <memory>
#include <string>

#include "base/descriptor.h"
#include "base/result.h"
#include "host/runs/process_identity.h"
#include "host/workers/worker_place.h"
#include "host/workers/zygote_room.h"

namespace pyember::host {

// A zygote that has been started and has said nothing yet.
struct StartedZygote {
  ProcessIdentity identity;          // of our child, which ends when the zygote does
  Descriptor control;                // non-blocking, keeps packets apart
  bool listens = false;              // control is a socket that the zygote will connect to, once
  Descriptor log;                    // non-blocking: what it prints
  std::shared_ptr<ZygoteRoom> room;  // null: there is no boundary
};

// Starts zygotes behind boundaries. Outlives them.
class BoundaryStarter {
 public:
  virtual ~BoundaryStarter() = default;
  // The loop's thread waits for an exec, a few milliseconds, and for nothing of what follows. The
  // error is for people and tells what to do. `limits` are limits() or less: memory and processes
  // of all that is behind the boundary, on top of what the zygote itself takes.
  virtual Result<StartedZygote> start(const WorkerPlace& place, const WorkerLimits& limits) = 0;
  // Memory and processes that everything behind such a boundary may take together.
  virtual WorkerLimits limits(Boundary boundary) const = 0;
};

// Starts `python -m mcp_runtime.worker` with what `runtime_directory` holds, without a boundary.
// The loop's thread waits for the new process's exec, a millisecond, and for nothing of what it
// does then.
Result<StartedZygote> start_zygote(const std::string& python, const std::string& runtime_directory);

}  // namespace pyember::host

#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "host/workers/boundary_files.h"
#include "host/workers/worker_place.h"

namespace pyember::host {

// What was made around one zygote behind a boundary: folders, control groups, a container's name.
// Destroyed when the zygote's processes have ended, and takes all of that away then, without
// waiting for it.
class ZygoteRoom {
 public:
  virtual ~ZygoteRoom() = default;
  // The folder of its sessions, as code inside names it.
  virtual std::string folder() const { return kBoundedFolder; }
  // What its session's first answer has to say of it; empty: nothing.
  virtual std::string first_notice() const { return {}; }
  // Whether processes inside have numbers of their own, and not those of the server's side.
  virtual bool has_own_pids() const { return true; }
  // The zygote has come to the socket that was made for it: nobody else is expected there.
  virtual void connected() {}
  // Kills everything in it that killing the process which the server started does not reach.
  virtual void kill() = 0;
  // Whether that process must be left to end by itself then, because it has to clean up.
  virtual bool cleans_up() const { return false; }
  // Processes that the kernel has killed in it because its memory was used up.
  virtual std::uint64_t memory_kills() const = 0;
  // Why no zygote came up, from what was printed instead, for people; empty: the room knows no more
  // than that.
  virtual std::string why_not_started(const std::string& /*printed*/) const { return {}; }
  // Makes a place's packages readable in there; returns the place as code inside names it. Copies
  // files: for a thread of the pool; one call at a time.
  virtual Result<WorkerPlace> bring_in(const WorkerPlace& place) = 0;
};

}  // namespace pyember::host

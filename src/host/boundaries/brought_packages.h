#pragma once

#include <string>

#include "base/result.h"
#include "host/workers/worker_place.h"

namespace pyember::host {

// The packages that come to a room while it lives: each environment as a folder of `outside`, which
// the room sees, read-only, as `inside`. One call at a time, any thread.
class BroughtPackages {
 public:
  BroughtPackages(std::string outside, std::string inside)
      : outside_(std::move(outside)), inside_(std::move(inside)) {}

  // The place as the room sees it. Directories of other places than its environment's folder stay
  // as they are: the room has them from its beginning, or not at all.
  Result<WorkerPlace> bring(WorkerPlace place);

 private:
  const std::string outside_;
  const std::string inside_;
  int brought_ = 0;
};

}  // namespace pyember::host

#pragma once

#include <compare>
#include <string>
#include <vector>

#include "embed/execution.h"

namespace pyember::host {

// Which interpreter a worker is, and what it imports from.
struct WorkerPlace {
  std::string python;                         // absolute
  std::vector<std::string> site_directories;  // besides the interpreter's own
  std::string root;                           // the environment's folder (sys.prefix); may be empty

  auto operator<=>(const WorkerPlace&) const = default;
};

using WorkerLimits = embed::UsageLimits;

}  // namespace pyember::host

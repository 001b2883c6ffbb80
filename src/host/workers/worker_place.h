#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "embed/execution.h"

namespace pyember::host {

// What keeps a worker from the rest of the machine (docs/isolation.md).
enum class Boundary { None, Sandbox, Container };

// Which interpreter a worker is, what it imports from, and what is around it.
struct WorkerPlace {
  std::string python;                         // absolute
  std::vector<std::string> site_directories;  // besides the interpreter's own
  std::string root;                           // the environment's folder (sys.prefix); may be empty
  Boundary boundary = Boundary::None;

  auto operator<=>(const WorkerPlace&) const = default;
};

using WorkerLimits = embed::UsageLimits;

}  // namespace pyember::host

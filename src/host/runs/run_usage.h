#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace pyember::host {

// What the processes of a run take at one moment.
struct RunUsage {
  std::uint64_t resident_bytes = 0;  // of all that live
  double cpu_seconds = 0;            // of those, and of their children that have ended
};

// Of the run whose runner writes into `folder` (docs/runner.md): everything that descends from the
// runner, but not the runner itself. Nullopt: it has ended, or the kernel does not tell. Looks at
// all of /proc, a millisecond and more, so on a thread of the pool.
std::optional<RunUsage> usage_of_run(const std::string& folder);

}  // namespace pyember::host

#pragma once

#include <cstdint>

namespace pyember::host {

// What this process takes of its machine, without its children. 0: the system does not tell.
struct ProcessFigures {
  double cpu_seconds = 0;  // of all its threads, in user mode and in the kernel
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_descriptors = 0;
  std::uint64_t most_descriptors = 0;  // that it may have
};

// Reads /proc: some tens of microseconds, and more with many open descriptors.
ProcessFigures figures_of_process();

}  // namespace pyember::host

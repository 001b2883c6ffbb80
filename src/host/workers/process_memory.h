#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace pyember::host {

// The resident memory of some processes; what they share with each other counts once, what they
// share with others in part. 0 where the kernel does not tell. Reads /proc: up to a millisecond for
// each, so on a thread of the pool.
std::int64_t memory_together(const std::vector<pid_t>& processes);

}  // namespace pyember::host

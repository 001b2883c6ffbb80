#pragma once

#include <cstdint>
#include <string>

namespace pyember::runner {

// Field 22 of /proc/PID/stat: when this process began, in ticks since boot.
std::int64_t start_ticks();
std::string boot_id();

}  // namespace pyember::runner

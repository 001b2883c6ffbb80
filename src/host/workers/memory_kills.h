#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace pyember::host {

// How many processes of the machine the kernel has killed since its start because memory ran out.
// Empty where it does not tell (Linux before 4.13, other systems). Takes some 25 microseconds.
std::optional<std::uint64_t> memory_kills();

// The same, out of what /proc/vmstat holds.
std::optional<std::uint64_t> memory_kills_in(std::string_view vmstat);

}  // namespace pyember::host

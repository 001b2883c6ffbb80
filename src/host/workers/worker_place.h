#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pyember::host {

// Which interpreter a worker is, and what it imports from.
struct WorkerPlace {
  std::string python;                         // absolute
  std::vector<std::string> site_directories;  // besides the interpreter's own
  std::string root;                           // the environment's folder (sys.prefix); may be empty

  auto operator<=>(const WorkerPlace&) const = default;
};

// What a worker may use; each is kept by the kernel. Unset: as much as the server.
struct WorkerLimits {
  std::optional<std::uint64_t> memory_bytes;  // of address space
  std::optional<std::uint64_t> cpu_seconds;   // of all its cells together
  std::optional<std::uint64_t> processes;
  std::optional<std::uint64_t> file_size_bytes;
  std::optional<std::uint64_t> open_files;

  bool operator==(const WorkerLimits&) const = default;
};

}  // namespace pyember::host

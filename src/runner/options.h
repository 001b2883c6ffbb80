#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pyember::runner {

// What the command line asks for (docs/runner.md). Times are in nanoseconds of CLOCK_MONOTONIC's
// scale; an absent limit is none.
struct Options {
  std::string directory;
  std::string working_directory;  // empty: the runner's own
  std::int64_t timeout_ns = 0;    // 0: never
  std::int64_t grace_ns = 0;
  std::int64_t sample_interval_ns = 0;  // 0: no samples
  std::optional<std::uint64_t> memory_bytes;
  std::optional<std::uint64_t> cpu_seconds;
  std::optional<std::uint64_t> file_size_bytes;
  std::optional<std::uint64_t> processes;
  bool no_network = false;
  // So many words of the command make the room that the rest runs in (a sandbox), which ends with
  // 128 and the signal's number where a signal ended that. 0: there is no room.
  std::size_t enclosure_words = 0;
  bool is_runtime = false;  // enclosure.h, as the next two
  std::vector<const char*> afterwards;
  std::string report;
  std::vector<int> passed;   // descriptors of ours that the program gets
  char** command = nullptr;  // ends with a null pointer; points into argv
};

// Reads argv; on a mistake `options` is unusable and the sentence says what to do.
std::optional<std::string> parse(char** argv, Options& options);

}  // namespace pyember::runner

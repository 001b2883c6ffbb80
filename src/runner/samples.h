#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/limits.h"
#include "runner/job_folder.h"

namespace pyember::runner {

// Writes the resident memory of the process tree to `samples` every so often. Cheap by what it
// leaves out: /proc is only listed when the kernel has given out a new pid since the last look, and
// of those listed only pids not seen before are examined.
class Samples {
 public:
  // Interval 0: takes none. `start_ns` is second 0 of the curve; the file keeps below
  // `maximum_lines`.
  Samples(const JobFolder& folder, std::int64_t interval_ns, std::int64_t start_ns,
          std::size_t maximum_lines = limits::kMaximumSamples);
  ~Samples();
  Samples(const Samples&) = delete;
  Samples& operator=(const Samples&) = delete;

  // When the next one is due; the largest number: never.
  std::int64_t due_ns() const { return due_ns_; }
  void take(std::int64_t now_ns);

 private:
  void find_processes();
  std::uint64_t resident_bytes();
  void write_out();
  // The file is full: keeps every second line, and takes half as many from now on.
  void thin_out();

  const JobFolder& folder_;
  std::int64_t interval_ns_;
  std::int64_t start_ns_;
  std::int64_t due_ns_;
  std::int64_t written_ns_;
  std::size_t maximum_lines_;
  UniqueFd file_;
  std::string pending_;
  std::size_t lines_ = 0;
  std::string last_pid_;        // of the kernel, as /proc/loadavg tells it
  std::vector<pid_t> seen_;     // listed at the last look
  std::vector<pid_t> members_;  // of those, our descendants
};

}  // namespace pyember::runner

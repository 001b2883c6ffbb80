#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"

namespace pyember::host {

// Limits of one run; absent: none. Kept by the kernel (docs/runner.md).
struct RunLimits {
  std::optional<std::uint64_t> memory_bytes;
  std::optional<std::uint64_t> cpu_seconds;
  std::optional<std::uint64_t> file_size_bytes;
  std::optional<std::uint64_t> processes;
  bool no_network = false;
};

// A file of ours that a run gets as its descriptor `number`, from the beginning and anew for each.
struct PassedFile {
  int number = -1;
  std::shared_ptr<const Descriptor> file;
  bool writable = false;
};

// A command to be executed once, without a shell. `environment` is complete, and its values are
// secret: they are handed to the child and to nobody else (no log, no record, no file).
struct RunSpec {
  std::vector<std::string> command;  // absolute program, then its arguments
  std::string working_directory;     // absolute
  std::map<std::string, std::string> environment;
  std::chrono::milliseconds timeout{0};  // 0: none
  RunLimits limits;
  std::optional<double> sample_interval;  // seconds; measures memory over time
  // What the command runs in: a command that ends where ours begins, makes a sandbox or a container
  // and ends as what runs there does, with 128 and its number for a signal. Empty: nothing.
  std::vector<std::string> enclosure;
  // Where a container's runtime makes the room (docs/runner.md): what clears it away, and the file
  // in which the room tells what the run took. Empty: the runner sees that by itself.
  std::vector<std::string> afterwards;
  std::string report;
  std::vector<PassedFile> passed;
  // What must not go away before the run has ended, as long as this server lives.
  std::vector<std::shared_ptr<const void>> held;
};

// How a run ended: the runner's exit record.
struct RunEnd {
  int exit_code = 0;  // minus the signal's number when one ended it
  bool timed_out = false;
  bool cancelled = false;
  std::string limit;       // which limit ended it; empty: none
  std::string error;       // why the program could not be started; empty: it was
  std::string error_kind;  // "not_found", "cwd", "limits", "network", "internal", "lost"
  double started_at = 0;   // Unix seconds
  double ended_at = 0;
  double wall_seconds = 0;
  double cpu_seconds = 0;     // user + system, by wait4
  double queued_seconds = 0;  // of wall time: ready to run, with no CPU free; 0: not known
  std::uint64_t peak_bytes = 0;
  std::string peak_source;  // "cgroup" or "largest process"
};

}  // namespace pyember::host

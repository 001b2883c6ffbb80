#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace pyember::runner {

// The job's folder, held open: every file in it is reached through its descriptor, so that neither
// a changed working directory nor a renamed parent matters. Owned by main; used by the child
// between fork and exec too.
class JobFolder {
 public:
  enum class Opened { Yes, Missing, Locked, Unwritable };

  // Opens the folder, takes its lock for as long as this process lives, and reserves the space of
  // the exit record, so that a run that fills the disk can still be recorded.
  Opened open(const std::string& path);

  // A file of the child's output, for appending; -1 with errno when it can't be had.
  int open_output(const char* name) const;
  // Creates a file of the run's (mode 0600, emptied).
  UniqueFd create(const char* name) const;

  // Both are complete or absent for every reader.
  bool publish_runner(std::string_view json) const;
  bool publish_exit(std::string_view json) const;
  bool replace(const char* from, const char* to) const;

  // Appends `line` to stderr on a line of its own.
  void append_line_to_stderr(std::string_view line) const;
  // Bytes of a file; 0 when there is none.
  std::uint64_t size_of(const char* name) const;
  int descriptor() const { return directory_.get(); }

 private:
  bool publish(const char* draft, const char* name, std::string_view text) const;

  UniqueFd directory_;
  UniqueFd lock_;
};

}  // namespace pyember::runner

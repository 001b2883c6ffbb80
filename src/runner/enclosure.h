#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "runner/options.h"

namespace pyember::runner {

struct Ending;

// What makes the room that a program runs in, where that takes more than being its parent: a
// container's runtime, whose processes are not ours or not below us.
//
//   {runner}, {owner} in its words   this run's own name and, for labels, who it belongs to
//   --runtime                        it passes SIGTERM on by itself, and what it leaves behind is
//                                    nobody's run: a rootless podman's first command starts the
//                                    process that keeps its user namespace for all later ones
//   --afterwards                     a command that clears away what may be left of the room
//   --report                         a file in which the room's first process tells, when the
//                                    program has ended, what it took: WALL USER SYSTEM seconds,
//                                    PEAK bytes, and which limit ended it, or `-`
class Enclosure {
 public:
  // Puts names into the words of `options`; in the process that is to be named.
  explicit Enclosure(Options& options);

  bool clears_away() const { return afterwards_.size() > 1; }
  // Runs the command and waits for it, limits::kClearAwayDeadline at most.
  void clear_away() const;

  // Takes into `ending` what the report says; nothing of what is not there or can't be.
  void account(Ending& ending) const;

 private:
  std::string named(const char* word) const;

  const std::string name_;
  const std::string owner_;
  std::vector<std::string> words_;  // those that were changed
  std::vector<char*> command_;      // both end with a null pointer
  std::vector<char*> afterwards_;
  UniqueFd report_;
};

}  // namespace pyember::runner

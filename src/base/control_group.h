#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace pyember {

// A cgroup made for one run or worker and removed with it, below the one this process is in, so
// that the limits this process is under hold for it too. Version 1 and version 2 of the file
// system.
class ControlGroup {
 public:
  enum class Controller { Memory, Processes };

  // Null: no such hierarchy, or no right to make a group in it. The name holds the pid.
  static std::unique_ptr<ControlGroup> make(Controller controller, std::uint64_t limit,
                                            const std::string& name);
  // Where a group may be made in version 2, for a process whose own group's folder is `own`: only
  // groups without processes hand a controller down, so it is the nearest one at or above its own
  // that does, and none outside of a limit it is under. Empty: nowhere.
  static std::string place_above(std::string own, const std::string& mount_point,
                                 Controller controller);
  // Removes empty groups whose names are `prefix` and the pid of this process or of a dead one.
  // Returns whether there is none of this process's left.
  static bool remove_left_over(Controller controller, std::string_view prefix);

  ControlGroup(const ControlGroup&) = delete;
  ControlGroup& operator=(const ControlGroup&) = delete;
  ~ControlGroup();  // waits for its last process to be gone, limits::kRemoveGroupDeadline at most

  // Removes it now if no process is in it; true: there is nothing left to remove.
  bool remove();
  const std::string& path() const { return path_; }
  bool add(pid_t pid) const;
  // How often the limit was hit: a process was killed, or one was not allowed to begin.
  std::uint64_t hits() const;
  // The most memory the group held at once; 0: unknown.
  std::uint64_t peak_bytes() const;

 private:
  ControlGroup(Controller controller, bool unified, std::string path, UniqueFd directory);
  bool set_limit(std::uint64_t limit) const;

  Controller controller_;
  bool unified_;  // version 2
  std::string path_;
  UniqueFd directory_;
};

}  // namespace pyember

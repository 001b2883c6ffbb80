#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/loop/event_loop.h"

namespace pyember::host {

// How a command ended. Of each stream the last limits::kUvOutputBytes are kept.
struct CommandEnd {
  int exit_code = 0;  // minus the signal's number when one ended it
  bool timed_out = false;
  std::string start_error;  // why it could not be started; empty: it was
  std::string output;
  std::string errors;
};

// One short-lived helper command (uv, an interpreter asked for its version): no shell, no stdin,
// a process group of its own. Destroying it ends the whole group and reaps the child. Loop's
// thread only.
class HelperCommand {
 public:
  using Done = std::function<void(CommandEnd)>;

  struct Settings {
    std::vector<std::string> command;      // absolute program, then its arguments
    std::vector<std::string> environment;  // NAME=value, complete
    std::string directory;
    std::chrono::milliseconds deadline;
  };

  // `done` is called once, in a later turn of the loop; it may destroy the command.
  HelperCommand(EventLoop& loop, Settings settings, Done done);
  ~HelperCommand();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The server's environment for such a command: without what would change which Python it finds,
// without colours.
std::vector<std::string> helper_environment();

}  // namespace pyember::host

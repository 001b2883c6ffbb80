#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/result.h"
#include "host/loop/uv_handle.h"
#include "host/runs/process_identity.h"
#include "host/runs/process_watch.h"

namespace pyember::host {

// A program that speaks through pipes, under a keeper of its own (pyember-runner --keep): with it
// ends whatever it has started. Loop's thread only. Destroying it kills all of them.
class KeptChild {
 public:
  struct Pipes {
    Descriptor input, output, errors;  // our ends, non-blocking
  };
  struct Started {
    std::unique_ptr<KeptChild> child;
    Pipes pipes;
  };
  struct Command {
    std::string runner;                    // pyember-runner's path
    std::string directory;                 // empty: ours
    std::vector<std::string> words;        // the program, looked for in PATH, and its arguments
    std::vector<std::string> environment;  // NAME=value, complete
  };

  // Starts it on a thread of libuv's pool: a new process may wait long for a CPU. `started` comes
  // in a later turn of the loop, and always: it must not refer to what may be gone by then. An
  // error's message is a clause without an end. Whoever drops `Started` ends the child.
  static void start(EventLoop& loop, Command command, std::function<void(Result<Started>)> started);
  ~KeptChild();
  KeptChild(const KeptChild&) = delete;
  KeptChild& operator=(const KeptChild&) = delete;

  pid_t pid() const { return identity_.pid; }  // the keeper's, and the group of all
  // Called once, when the program and all it started are gone; it may destroy this.
  void on_end(std::function<void()> ended) { ended_ = std::move(ended); }
  bool has_ended() const { return over_; }
  // "with exit code 1", "by signal 9 (Killed)"; empty: it is not known.
  std::string how_it_ended() const;

  void ask_to_end();  // SIGTERM to all
  void kill_all();

 private:
  KeptChild(EventLoop& loop, ProcessIdentity identity);
  void look();

  const ProcessIdentity identity_;
  std::function<void()> ended_;
  std::optional<int> status_;
  bool over_ = false;
  ProcessWatch watch_;
  Timer look_again_;  // where the kernel does not tell
};

}  // namespace pyember::host

#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <string>

#include "runner/child.h"
#include "runner/enclosure.h"
#include "runner/job_folder.h"
#include "runner/options.h"
#include "runner/samples.h"

namespace pyember::runner {

// What is known of a run when nothing of it lives any more.
struct Ending {
  int status = 0;  // as wait gives it
  bool timed_out = false;
  bool cancelled = false;
  std::int64_t started_ns = 0;  // monotonic, as is
  std::int64_t ended_ns = 0;    // wait's return
  std::int64_t started_at_ns = 0;
  rusage usage{};              // of the child, by wait4
  std::int64_t queued_ns = 0;  // its first thread was ready and had no CPU; 0: not known
  std::uint64_t largest_process_bytes = 0;
  std::string limit;  // that ended the program, as far as its room has told; empty: none
};

// Waits for the child, keeps its deadline, hears cancellation, samples, and leaves nothing of the
// process tree behind. One thread which sleeps in sigtimedwait; SIGCHLD, SIGTERM and SIGINT must be
// blocked.
class Supervision {
 public:
  Supervision(const Options& options, const JobFolder& folder, const Child& child,
              const Enclosure& enclosure);
  Ending wait_for_end();

 private:
  // Running: the child lives. Asking: SIGTERM was sent, and SIGKILL follows at phase_ends_ns_.
  // Killing: until none is left. A child that ended and left no descendants skips the last two.
  enum class Phase { Running, Asking, Killing };

  void reap();
  void look_at_end();
  void account(pid_t pid, int status, const rusage& usage);
  void advance(std::int64_t now_ns);
  void ask_to_end(std::int64_t grace_ns, std::int64_t now_ns);
  std::int64_t next_event_ns(std::int64_t now_ns) const;
  int wait_for_signal(std::int64_t until_ns) const;
  bool is_over() const { return child_ended_ && !has_children_; }

  const Options& options_;
  const Child& child_;
  const Enclosure& enclosure_;
  Samples samples_;
  Ending ending_;
  Phase phase_ = Phase::Running;
  std::int64_t phase_ends_ns_;  // of Running: the deadline
  std::int64_t next_kill_ns_ = 0;
  std::int64_t kill_pause_ns_ = 0;
  bool child_ended_ = false;
  bool has_children_ = true;
};

}  // namespace pyember::runner

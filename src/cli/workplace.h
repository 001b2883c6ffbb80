#pragma once

#include <functional>
#include <memory>

#include "embed/runtime.h"
#include "host/jobs/job_registry.h"
#include "host/loop/event_loop.h"
#include "host/loop/loop_poster.h"

namespace pyember::cli {

using RuntimeFactory = std::function<std::unique_ptr<embed::Runtime>(embed::RuntimeOptions)>;

// What commands share that work as the server does: the loop and the jobs of every pyember of this
// user. Made once in a process, on its main thread, and never destroyed: the process ends with
// _exit, after finish().
class Workplace {
 public:
  Workplace();

  host::EventLoop& loop() { return loop_; }
  host::LoopPoster& poster() { return poster_; }
  host::JobRegistry& jobs() { return jobs_; }

  // False: nobody has ever run a job here, and nothing is made by asking.
  bool has_jobs() const;
  // Lets the loop run until it is stopped; false: not within `deadline` (0: however long).
  bool run(std::chrono::milliseconds deadline = {});
  // What the jobs' files say is complete.
  void finish() { jobs_.flush(); }

 private:
  host::EventLoop loop_;
  host::LoopPoster poster_;  // also keeps the loop waiting when nothing else does
  const std::string directory_;
  host::JobRegistry jobs_;
};

}  // namespace pyember::cli

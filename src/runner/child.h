#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "runner/confinement.h"
#include "runner/failure.h"
#include "runner/job_folder.h"
#include "runner/options.h"

namespace pyember::runner {

// The program a run executes. It is forked here, prepares itself and becomes the program; what
// went wrong on the way it leaves in memory that it shares with us until exec. It dies with this
// process (PR_SET_PDEATHSIG), so a run without an owner can't be.
class Child {
 public:
  Child(const Options& options, const JobFolder& folder, Confinement& confinement);

  // Begins the child; `runner_json` is what `runner` says before the child's own pid.
  Failure start(const class JsonObject& runner_facts);

  pid_t pid() const { return pid_; }
  // Why it did not become the program; asked when it has ended.
  Failure failure() const;
  // The moment before exec.
  std::int64_t started_ns() const;     // monotonic
  std::int64_t started_at_ns() const;  // since 1970

 private:
  struct Report;
  enum class Step : int;

  pid_t fork_once(const JsonObject& runner_facts, int& error);
  [[noreturn]] void become_program(pid_t runner, int gate, const JsonObject& runner_facts);
  void prepare(pid_t runner, int gate, const JsonObject& runner_facts);
  void execute();
  [[noreturn]] void give_up(Step step, int error);

  const Options& options_;
  const JobFolder& folder_;
  Confinement& confinement_;
  Report* report_;  // shared with the child; lives as long as the process
  pid_t pid_ = -1;
};

}  // namespace pyember::runner

#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "base/control_group.h"
#include "runner/failure.h"
#include "runner/options.h"

namespace pyember::runner {

// How the limits of a run and --no-network are kept, chosen by what this kernel and this user
// offer. What can't be kept is refused, never left out. Used on both sides of the fork.
//
//   memory     a control group (the whole tree), else RLIMIT_AS (each process)
//   processes  a control group, else RLIMIT_NPROC in a user namespace of the run's own, where the
//              kernel counts the run's processes alone (5.14); root is exempt from that one
//   network    a user and a network namespace, else a filter (base/local_sockets.h)
//   cpu, file size   RLIMIT_CPU, RLIMIT_FSIZE (each process)
class Confinement {
 public:
  explicit Confinement(const Options& options) : options_(options) {}

  Failure choose();

  // For clone(); 0: an ordinary fork.
  unsigned long namespaces() const;
  // The kernel refused them: goes on without, if what they are for can be kept otherwise.
  Failure do_without_namespaces(int error);

  // Whether the child must wait until place() was called.
  bool needs_placing() const { return memory_ || processes_ || namespaces() != 0; }
  bool place(pid_t child) const;

  // In the child. Each: false with errno.
  bool enter_network() const;
  bool set_limits() const;

  // For the exit record: {"memory":"cgroup",…}, or null.
  std::string kept_by() const;
  const ControlGroup* memory() const { return memory_.get(); }
  const ControlGroup* processes() const { return processes_.get(); }

 private:
  const Options& options_;
  std::unique_ptr<ControlGroup> memory_;
  std::unique_ptr<ControlGroup> processes_;
  bool counts_in_namespace_ = false;
  bool network_namespace_ = false;
};

}  // namespace pyember::runner

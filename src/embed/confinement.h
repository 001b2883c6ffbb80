#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "embed/session.h"

namespace pyember::embed {

// What a session's Confinement asks for, as something the kernel keeps: a Landlock domain for the
// writes, a seccomp filter for the network. Both hold a thread and all threads and processes that
// come of it, for ever. Made and put up on the session's own thread, detached, in two steps: what
// can be wrong with the request or the kernel shows in the first, which leaves no trace.
//
// A guard rail, not a boundary: the other threads of the process are not held (docs/isolation.md).
class Fence {
 public:
  // Fails when a path to write to is not absolute or can't be opened, and when the kernel can't
  // keep what is asked for: nothing is left out. `folder` (the session's own; empty: none) and
  // /dev/null, /dev/zero and /dev/full can be written to whatever the paths are.
  static Result<std::unique_ptr<Fence>> make(const Confinement& confinement,
                                             const std::string& folder);
  ~Fence();
  Fence(const Fence&) = delete;
  Fence& operator=(const Fence&) = delete;

  // Confines the calling thread. After a failure it may be confined in part.
  Result<void> put_up() const;

 private:
  explicit Fence(bool no_network) : no_network_(no_network) {}
  Result<void> prepare_writes(const Confinement& confinement, const std::string& folder);

  const bool no_network_;
  int ruleset_ = -1;  // Landlock's; -1: writes are free
};

// Told to code that is refused something: what the session may do, as a sentence or two. Empty for
// a session that is not confined.
std::string describe_confinement(const SessionOptions& options);

}  // namespace pyember::embed

#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "embed/execution.h"
#include "host/workers/worker_process.h"

namespace pyember::host {

// The states that a session can go back to: live copies of its worker, each made right before a
// cell and asleep ever since. What they have in common with it, and with each other, they share in
// memory. The newest are kept, as many as `keep()` says. Owned by the session; loop's thread only.
class ParkedCopies {
 public:
  // A state, as the session takes it over.
  struct State {
    embed::CellNumber cell = 0;  // before which it was
    std::unique_ptr<WorkerProcess> worker;
  };

  // `ended` is called in the loop's callbacks when a copy has died; forget_ended() must follow in a
  // turn of its own.
  ParkedCopies(EventLoop& loop, std::function<void()> ended);
  ~ParkedCopies();

  void keep(std::size_t count);
  std::size_t kept() const { return keep_; }

  // The cell is about to run and has no copy yet.
  bool wants(embed::CellNumber cell) const;
  // Has the worker, which is idle, fork one. When that fails the cell runs all the same, and
  // take_back() says why it can't be undone.
  void park(WorkerProcess& worker, const ForkOrder& order, const OutputPipes& pipes,
            embed::CellNumber cell);

  // The state before the last `steps` cells; the newer ones are ended. An error when there is none:
  // nothing has happened then.
  Result<State> take_back(std::size_t steps);

  // How many live.
  std::size_t size() const;
  std::vector<pid_t> processes() const;
  void forget_ended();
  void clear();

 private:
  class Copy;

  EventLoop& loop_;
  const std::function<void()> ended_;
  std::size_t keep_ = 0;
  std::deque<std::unique_ptr<Copy>> copies_;  // of the oldest cell first
};

}  // namespace pyember::host

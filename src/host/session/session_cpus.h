#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "base/thread_affinity.h"
#include "host/loop/uv_handle.h"

namespace pyember::host {

class HostSession;
class SessionRegistry;

// Which CPUs the threads of sessions run on, over all registries of the process: there is one loop,
// so there is one home CPU. A session that gets a small cell runs beside the loop; one that runs
// long leaves (docs/threads.md).
//
// Shared by registries, which it outlives, and which tell it of themselves. Loop's thread only.
class SessionCpus {
 public:
  explicit SessionCpus(EventLoop& loop);

  void add(const SessionRegistry& registry) { registries_.push_back(&registry); }
  void remove(const SessionRegistry& registry) { std::erase(registries_, &registry); }

  // A session that was idle is about to get a cell.
  void dispatching(HostSession& session);
  // It works while no cell of it runs: not where the loop is.
  void leave_home(HostSession& session);
  // Before a thread is made, which would inherit the CPUs the loop may use.
  void release_loop() { home_.release_loop(); }

  // Called while some cell runs long, every limits::kMemoryLookPeriod.
  void on_long_cells(std::function<void()> callback) { long_cells_callback_ = std::move(callback); }

 private:
  template <typename Visit>
  void each_session(Visit visit) const;

  // Another session runs a cell on the home CPU.
  bool home_is_taken(const HostSession& next) const;
  void look_for_long_cells();
  void look_at_memory();
  void spread_long_sessions();

  HomeCpu home_;
  int spread_home_ = -1;  // the home that long sessions were told to leave
  Timer long_timer_;
  Timer memory_timer_;
  std::function<void()> long_cells_callback_;
  std::vector<const SessionRegistry*> registries_;
};

}  // namespace pyember::host

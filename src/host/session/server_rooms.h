#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "embed/runtime.h"
#include "host/boundaries/boundary_rooms.h"
#include "host/environments/environments.h"
#include "host/options.h"
#include "host/session/session_rooms.h"
#include "host/workers/workers.h"

namespace pyember::host {

// The server's rooms: sub-interpreters of its own runtime, and workers of any Python.
class ServerRooms final : public SessionRooms {
 public:
  using RuntimeSource = std::function<embed::Runtime&()>;

  // `runtime` is asked when the first session is opened.
  ServerRooms(EventLoop& loop, RuntimeSource runtime, const PythonEnvironment& environment,
              Environments& environments);

  // What workers have imported before they begin, where it is installed; before the first of them.
  void preload(std::vector<std::string> modules) { preloaded_ = std::move(modules); }
  // So many rooms are kept ready behind the boundary that was used last; before the first of them.
  void keep_ready(std::size_t spares) { spares_ = spares; }
  // What code behind boundaries may reach besides; before the first of them.
  void allow(Allowance allowed) { allowed_ = std::move(allowed); }
  // Whether sessions are put behind a fence where there are no sandboxes; before the first of them.
  void fall_back_to_fence(bool wanted) { falls_back_to_fence_ = wanted; }
  // Has the first session of that room, which is one of workers, begin at once when it is asked
  // for.
  void warm(Isolation room);

  std::unique_ptr<embed::Session> open_in_process(embed::SessionOptions options,
                                                  embed::SessionListener& listener) override;
  std::unique_ptr<embed::Session> open_worker(const WorkerPlace& place, const WorkerLimits& limits,
                                              embed::SessionOptions options,
                                              embed::SessionListener& listener) override;
  void change_packages(embed::Session& worker, const WorkerPlace& place) override;
  std::unique_ptr<embed::Session> open_copy(embed::Session& worker, embed::SessionOptions options,
                                            embed::SessionListener& listener,
                                            Copied copied) override;
  void keep_copies(embed::Session& worker, std::size_t count) override;
  std::size_t copies_kept(const embed::Session& worker) const override;
  void when_free(embed::Session& worker, std::function<void()> callback) override;
  Result<embed::CellNumber> undo(embed::Session& worker, std::size_t steps, Copied ready) override;
  WorkerPlace own_place(Boundary boundary) const override;
  std::uint64_t prepare(const SessionPlan& plan, Prepared done) override;
  void cancel(std::uint64_t request) override;

  // What makes rooms behind boundaries, for scripts too; made when it is first asked for.
  BoundaryRooms& boundaries();

  // Kills every worker; before the end of the process.
  void end(std::chrono::milliseconds deadline);

 private:
  Workers& workers();

  EventLoop& loop_;
  RuntimeSource runtime_;
  const PythonEnvironment& environment_;
  Environments& environments_;
  std::vector<std::string> preloaded_;
  std::size_t spares_ = limits::kSpareRooms;
  Allowance allowed_;
  bool falls_back_to_fence_ = false;
  std::unique_ptr<BoundaryRooms> boundaries_;
  std::optional<Workers> workers_;  // made for the first worker
};

}  // namespace pyember::host

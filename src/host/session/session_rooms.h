#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "embed/session.h"
#include "host/session/session_plan.h"
#include "host/workers/session_copies.h"

namespace pyember::host {

// An environment that is ready.
struct PreparedPlace {
  WorkerPlace place;
  std::vector<std::string> packages;   // name==version, all there are in it
  std::shared_ptr<const void> in_use;  // it is not removed as long as this lives
};

// Opens sessions where their plans say, and makes the environments they need. Outlives them.
// Loop's thread only.
class SessionRooms {
 public:
  virtual ~SessionRooms() = default;

  virtual std::unique_ptr<embed::Session> open_in_process(embed::SessionOptions options,
                                                          embed::SessionListener& listener) = 0;
  virtual std::unique_ptr<embed::Session> open_worker(const WorkerPlace& place,
                                                      const WorkerLimits& limits,
                                                      embed::SessionOptions options,
                                                      embed::SessionListener& listener) = 0;
  // From its next cell on the worker session has the packages of that place in place of those it
  // had; the place is of the same Python.
  virtual void change_packages(embed::Session& worker, const WorkerPlace& place) = 0;
  // A live copy of a worker session (Workers::open_copy says what that is).
  virtual std::unique_ptr<embed::Session> open_copy(embed::Session& worker,
                                                    embed::SessionOptions options,
                                                    embed::SessionListener& listener,
                                                    Copied copied) = 0;
  // What a worker session keeps to go back to (WorkerSession says what that is).
  virtual void keep_copies(embed::Session& worker, std::size_t count) = 0;
  virtual std::size_t copies_kept(const embed::Session& worker) const = 0;
  virtual void when_free(embed::Session& worker, std::function<void()> callback) = 0;
  virtual Result<embed::CellNumber> undo(embed::Session& worker, std::size_t steps,
                                         Copied ready) = 0;
  // The interpreter of workers that were asked for nothing special: the embedded one's version,
  // with the server's environment; in a container, the image's.
  virtual WorkerPlace own_place(Boundary boundary) const = 0;

  // An environment with the packages (and the Python, where a version is named) of a plan, in a
  // later turn of the loop; the number may be given to cancel().
  using Prepared = std::function<void(Result<PreparedPlace>)>;
  virtual std::uint64_t prepare(const SessionPlan& plan, Prepared done) = 0;
  virtual void cancel(std::uint64_t request) = 0;
};

}  // namespace pyember::host

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "embed/session.h"
#include "host/session/session_plan.h"

namespace pyember::host {

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
  // From its next cell on the worker session imports from these as well.
  virtual void add_sites(embed::Session& worker, std::vector<std::string> directories) = 0;
  // The interpreter of workers that were asked for nothing special: the embedded one's version,
  // with the server's environment.
  virtual WorkerPlace own_place() const = 0;

  // An environment with the packages (and the Python, where a version is named) of a plan, in a
  // later turn of the loop; the number may be given to cancel().
  using Prepared = std::function<void(Result<WorkerPlace>)>;
  virtual std::uint64_t prepare(const SessionPlan& plan, Prepared done) = 0;
  virtual void cancel(std::uint64_t request) = 0;
};

}  // namespace pyember::host

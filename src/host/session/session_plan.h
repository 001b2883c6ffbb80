#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "embed/session.h"
#include "host/workers/worker_place.h"

// How a caller chooses where a session runs, and what became of it.
namespace pyember::host {

// What was asked for. `Auto` begins in-process and moves to a worker when code needs one.
enum class Isolation { Auto, InProcess, Process, Sandbox, Container };

// "auto", "inprocess", "process", "sandbox", "container"
std::string_view to_string(Isolation isolation);
std::optional<Isolation> parse_isolation(std::string_view text);

// Whether sessions of a room are workers, and what is around those.
bool is_worker(Isolation room);
Boundary boundary_of(Isolation room);

// What one call says about its session; empty members say nothing.
struct SessionWish {
  std::optional<Isolation> isolation;
  std::vector<std::string> dependencies;  // as uv takes them
  bool upgrade = false;                   // the newest of them, whatever was installed before
  // Packages for what the cell imports. When they can't be had it is run without them, and told so.
  std::vector<std::string> imported = {};
  std::function<void(const std::vector<std::string>& imported)> not_had = {};  // may be empty
  std::string python_version;                                                  // "3.12"
  WorkerLimits limits;
  embed::Confinement confinement;
  std::size_t undo = 0;  // copies to be kept for it; 0: nothing is said

  bool limited() const;
  bool empty() const;
};

// Where a session is, or will be when it is opened.
struct SessionPlan {
  Isolation asked = Isolation::Auto;
  Isolation room = Isolation::InProcess;  // never Auto
  WorkerPlace place;                      // for workers
  WorkerLimits limits;
  embed::Confinement confinement;
  std::vector<std::string> dependencies;  // of all calls so far
  std::string resolved_on;                // the day of the last upgrade, "2026-01-31"; empty: none
  std::string python_version;             // asked for; empty: the server's
  std::size_t undo = 0;                   // how many cells can be undone
  std::shared_ptr<const void> in_use;     // keeps the environment of `place`; shared with a move
};

// The plan of a new session, or why the wishes contradict each other. What its first cell asks for
// besides isolation and confinement is not in it yet: that comes by changed_plan(), and a cell
// whose packages can't be had leaves nothing behind. `always_behind_boundary`: it is a sandbox or a
// container, as `by_default` is, whatever is wished.
Result<SessionPlan> new_plan(const SessionWish& wish, Isolation by_default,
                             bool always_behind_boundary = false);

// Whether a session that exists can serve the call, and what its plan is then; `opened` says that
// it has had an interpreter: limits hold for the session when they come before, else for their
// call. The caller compares the two plans to see what must be done.
Result<SessionPlan> changed_plan(const std::string& session, SessionPlan plan,
                                 const SessionWish& wish, bool opened);

// "scikit-learn" of "Scikit_Learn[plots]>=1": as indexes compare names.
std::string package_name(const std::string& requirement);

// The same Python with the same packages.
bool same_packages(const SessionPlan& one, const SessionPlan& other);
// Nothing has to be done to get from one to the other.
bool same_session(const SessionPlan& one, const SessionPlan& other);

}  // namespace pyember::host

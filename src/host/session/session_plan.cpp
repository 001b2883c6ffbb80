#include "host/session/session_plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace pyember::host {

namespace {

Error contradiction(const std::string& what, const std::string& instead) {
  return {ErrorCode::InvalidArgument, fmt::format("The cell was not run: {}. {}", what, instead)};
}

// Only a process of its own can give these.
bool needs_process(const SessionWish& wish) {
  return wish.limited() || !wish.dependencies.empty() || !wish.python_version.empty();
}

const char* what_needs_process(const SessionWish& wish) {
  if (wish.limited()) return "limits";
  return wish.dependencies.empty() ? "python_version" : "dependencies";
}

void add_dependencies(SessionPlan& plan, const SessionWish& wish) {
  for (const std::string& each : wish.dependencies) {
    auto& known = plan.dependencies;
    if (std::find(known.begin(), known.end(), each) == known.end()) known.push_back(each);
  }
}

bool same(const embed::Confinement& one, const embed::Confinement& other) {
  return one.no_network == other.no_network && one.write_paths == other.write_paths;
}

// Limits other than CPU time hold for a worker's life.
bool limits_whole_session(const WorkerLimits& limits) {
  return limits.memory_bytes || limits.processes || limits.file_size_bytes || limits.open_files;
}

}  // namespace

std::string_view to_string(Isolation isolation) {
  switch (isolation) {
    case Isolation::Auto:
      return "auto";
    case Isolation::InProcess:
      return "inprocess";
    case Isolation::Process:
      return "process";
  }
  return "auto";
}

std::optional<Isolation> parse_isolation(std::string_view text) {
  for (const Isolation each : {Isolation::Auto, Isolation::InProcess, Isolation::Process}) {
    if (to_string(each) == text) return each;
  }
  return std::nullopt;
}

bool SessionWish::limited() const { return limits_whole_session(limits) || limits.cpu_seconds; }

bool SessionWish::empty() const {
  return !isolation && dependencies.empty() && python_version.empty() && !limited() &&
         !confinement.any();
}

Result<SessionPlan> new_plan(const SessionWish& wish, Isolation by_default) {
  SessionPlan plan;
  plan.asked = wish.isolation.value_or(by_default);
  if (wish.confinement.any()) {
    if (plan.asked == Isolation::Process || needs_process(wish)) {
      return contradiction(
          "confine is for in-process sessions, and this one would be a worker process",
          "Leave confine out, or isolation='process', limits, dependencies and python_version.");
    }
    plan.asked = Isolation::InProcess;  // it never moves: the confinement would not come along
    plan.confinement = wish.confinement;
    return plan;
  }
  if (plan.asked == Isolation::InProcess && needs_process(wish)) {
    return contradiction(fmt::format("{} need a worker process, and isolation is 'inprocess'",
                                     what_needs_process(wish)),
                         "Use isolation='process' or 'auto' for this session.");
  }
  const bool process = plan.asked == Isolation::Process || needs_process(wish);
  plan.room = process ? Isolation::Process : Isolation::InProcess;
  plan.limits = wish.limits;
  plan.python_version = wish.python_version;
  add_dependencies(plan, wish);
  return plan;
}

Result<SessionPlan> changed_plan(const std::string& session, SessionPlan plan,
                                 const SessionWish& wish, bool opened) {
  const auto exists = [&](const std::string& what) {
    return contradiction(
        fmt::format("session '{}' exists and {}", session, what),
        "Use another session name, or close this session with close_session first.");
  };
  if (wish.isolation && *wish.isolation != plan.asked && *wish.isolation != plan.room) {
    return exists(
        fmt::format("its isolation is '{}'{}", to_string(plan.asked),
                    plan.asked == plan.room ? "" : fmt::format(" (now {})", to_string(plan.room))));
  }
  if (wish.confinement.any() && !same(wish.confinement, plan.confinement)) {
    return exists("confine is set when a session is made");
  }
  if (plan.asked == Isolation::InProcess && needs_process(wish)) {
    return exists(
        fmt::format("is in-process, while {} need a worker process", what_needs_process(wish)));
  }
  const bool worker = plan.room == Isolation::Process;
  if (worker && opened && limits_whole_session(wish.limits)) {
    return exists(
        "its limits are set: memory, processes, file size and open files hold for a worker's life");
  }
  if (worker && opened && !wish.python_version.empty() &&
      wish.python_version != plan.python_version) {
    return exists("python_version is set when a worker is made");
  }
  if (needs_process(wish)) plan.room = Isolation::Process;
  if (!(worker && opened)) {
    plan.limits = wish.limits;
    if (!wish.python_version.empty()) plan.python_version = wish.python_version;
  }
  add_dependencies(plan, wish);
  return plan;
}

bool same_session(const SessionPlan& one, const SessionPlan& other) {
  return one.room == other.room && one.dependencies == other.dependencies &&
         one.python_version == other.python_version && one.limits == other.limits;
}

}  // namespace pyember::host

#include "host/session/session_plan.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <iterator>

namespace pyember::host {

namespace {

Error contradiction(const std::string& what, const std::string& instead) {
  return {ErrorCode::InvalidArgument, fmt::format("The cell was not run: {}. {}", what, instead)};
}

// The version that is asked for, as plans have it: empty for the server's own.
std::string_view other_python(const SessionWish& wish) {
  return wish.python_version == PYEMBER_PYTHON_VERSION ? std::string_view() : wish.python_version;
}

// Only a process of its own can give these.
bool needs_process(const SessionWish& wish) {
  return wish.limited() || !wish.dependencies.empty() || !wish.imported.empty() ||
         !other_python(wish).empty() || wish.undo != 0;
}

const char* what_needs_process(const SessionWish& wish) {
  if (wish.limited()) return "setting limits";
  if (!wish.dependencies.empty() || !wish.imported.empty()) return "installing packages";
  return other_python(wish).empty() ? "undo" : "python_version";
}

bool is_name_character(unsigned char c) {
  return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
}

// A requirement taken apart: "Pandas[excel] >=2" is pandas, [excel], >=2.
struct Requirement {
  std::string name;  // as indexes compare it
  std::string extras;
  std::string rest;

  explicit Requirement(const std::string& text) {
    const auto end = std::find_if_not(text.begin(), text.end(), is_name_character);
    std::transform(text.begin(), end, std::back_inserter(name), [](unsigned char c) {
      return c == '_' || c == '.' ? '-' : static_cast<char>(std::tolower(c));
    });
    for (auto each = end; each != text.end(); ++each) {
      if (*each == ' ' || *each == '\t') continue;
      const bool extra = *each == '[' || (!extras.empty() && extras.back() != ']');
      (extra ? extras : rest) += *each;
    }
  }
  // Nothing but a name, or a name with extras.
  bool any_version() const { return rest.empty(); }
};

// As pip does it: a version that is asked for takes the place of the one before, a bare name is
// content with what is there.
void add_dependencies(SessionPlan& plan, const SessionWish& wish) {
  auto& known = plan.dependencies;
  const std::vector<std::string> before = known;
  const auto knows = [&](const auto& accepts) {
    return std::any_of(known.begin(), known.end(), accepts);
  };
  for (const std::string& each : wish.dependencies) {
    const Requirement wanted(each);
    if (!wanted.any_version() || wish.upgrade) {
      std::erase_if(known, [&](const std::string& other) {
        const Requirement old(other);
        return other != each && old.name == wanted.name && !old.any_version() &&
               std::find(before.begin(), before.end(), other) != before.end();
      });
    } else if (wanted.extras.empty() && knows([&](const std::string& other) {
                 return Requirement(other).name == wanted.name;
               })) {
      continue;
    }
    if (!knows([&](const std::string& other) { return other == each; })) known.push_back(each);
  }
  for (const std::string& each : wish.imported) {
    if (!knows([&](const std::string& other) { return package_name(other) == each; })) {
      known.push_back(each);
    }
  }
  if (wish.upgrade) plan.resolved_on = fmt::format("{:%F}", fmt::gmtime(std::time(nullptr)));
}

bool same(const embed::Confinement& one, const embed::Confinement& other) {
  return one.no_network == other.no_network && one.write_paths == other.write_paths;
}

}  // namespace

std::string package_name(const std::string& requirement) { return Requirement(requirement).name; }

std::string_view to_string(Isolation isolation) {
  switch (isolation) {
    case Isolation::Auto:
      return "auto";
    case Isolation::InProcess:
      return "inprocess";
    case Isolation::Process:
      return "process";
    case Isolation::Sandbox:
      return "sandbox";
    case Isolation::Container:
      return "container";
  }
  return "auto";
}

bool is_worker(Isolation room) { return room != Isolation::Auto && room != Isolation::InProcess; }

Boundary boundary_of(Isolation room) {
  if (room == Isolation::Sandbox) return Boundary::Sandbox;
  return room == Isolation::Container ? Boundary::Container : Boundary::None;
}

std::optional<Isolation> parse_isolation(std::string_view text) {
  for (const Isolation each : {Isolation::Auto, Isolation::InProcess, Isolation::Process,
                               Isolation::Sandbox, Isolation::Container}) {
    if (to_string(each) == text) return each;
  }
  return std::nullopt;
}

bool SessionWish::limited() const { return limits != WorkerLimits{}; }

bool SessionWish::empty() const {
  return !isolation && dependencies.empty() && imported.empty() && python_version.empty() &&
         !limited() && !confinement.any() && undo == 0;
}

Result<SessionPlan> new_plan(const SessionWish& wish, Isolation by_default,
                             bool always_behind_boundary) {
  SessionPlan plan;
  plan.asked = wish.isolation.value_or(by_default);
  if (always_behind_boundary && plan.asked == Isolation::Auto) plan.asked = by_default;
  if (always_behind_boundary && boundary_of(plan.asked) == Boundary::None) {
    return contradiction(
        fmt::format("isolation='{}' is not for this server's sessions, which keeps its callers "
                    "apart",
                    to_string(plan.asked)),
        fmt::format("Leave isolation out (it is '{}'); only who starts the server can allow more "
                    "(--trust-callers).",
                    to_string(by_default)));
  }
  if (wish.confinement.any()) {
    if (is_worker(plan.asked) || needs_process(wish)) {
      return contradiction(
          "confine is for in-process sessions, and this one would be a worker process",
          "Leave confine out, or isolation, limits, dependencies, python_version and undo; "
          "isolation='sandbox' confines a worker.");
    }
    plan.asked = Isolation::InProcess;  // it never moves: the confinement would not come along
    plan.confinement = wish.confinement;
    return plan;
  }
  if (plan.asked == Isolation::InProcess && needs_process(wish)) {
    return contradiction(fmt::format("{} needs a worker process, and isolation is 'inprocess'",
                                     what_needs_process(wish)),
                         "Use isolation='process' or 'auto' for this session.");
  }
  if (plan.asked == Isolation::Container && !other_python(wish).empty()) {
    return contradiction(
        "python_version can't be chosen in a container, which has its image's Python",
        "Leave it out, name an image with that Python (MCP_BRIDGE_IMAGE), or use "
        "isolation='sandbox'.");
  }
  // It is run outside, to make the environment with.
  if (boundary_of(plan.asked) != Boundary::None &&
      wish.python_version.find('/') != std::string::npos) {
    return contradiction(
        "python_version names a program, and behind a boundary none of the caller's is run",
        "Name a version, as in python_version='3.12'.");
  }
  plan.room = is_worker(plan.asked) ? plan.asked : Isolation::InProcess;
  return plan;
}

Result<SessionPlan> changed_plan(const std::string& session, SessionPlan plan,
                                 const SessionWish& wish, bool opened) {
  const auto exists = [&](const std::string& what) {
    return contradiction(
        fmt::format("session '{}' exists and {}", session, what),
        "Use another session name, or close this session with close_session first.");
  };
  // Behind a boundary nothing is left for auto to choose.
  const bool left_open =
      wish.isolation == Isolation::Auto && boundary_of(plan.room) != Boundary::None;
  if (wish.isolation && !left_open && *wish.isolation != plan.asked &&
      *wish.isolation != plan.room) {
    return exists(fmt::format(
        "its isolation is '{}'{}, which can't be changed to '{}'", to_string(plan.asked),
        plan.asked == plan.room ? "" : fmt::format(" (now {})", to_string(plan.room)),
        to_string(*wish.isolation)));
  }
  if (wish.confinement.any() && !same(wish.confinement, plan.confinement)) {
    return exists("can't be confined any more: confine is for a session's first call");
  }
  if (plan.asked == Isolation::InProcess && needs_process(wish)) {
    return exists(
        fmt::format("is in-process, while {} needs a worker process", what_needs_process(wish)));
  }
  const bool asks_python =
      !wish.python_version.empty() && other_python(wish) != plan.python_version;
  if (boundary_of(plan.room) != Boundary::None &&
      wish.python_version.find('/') != std::string::npos) {
    return exists("is behind a boundary, where python_version is a version and no program");
  }
  if (asks_python && plan.room == Isolation::Container) {
    return exists("is in a container, which has its image's Python");
  }
  if (asks_python && opened && is_worker(plan.room)) {
    return exists(
        fmt::format("runs Python {}, not {}: python_version is for a session's first call",
                    plan.python_version.empty() ? PYEMBER_PYTHON_VERSION : plan.python_version,
                    wish.python_version));
  }
  if (needs_process(wish) && !is_worker(plan.room)) plan.room = Isolation::Process;
  if (!opened) plan.limits = wish.limits;  // later ones hold for their call
  if (asks_python) plan.python_version = other_python(wish);
  if (wish.undo != 0) plan.undo = wish.undo;
  add_dependencies(plan, wish);
  return plan;
}

bool same_packages(const SessionPlan& one, const SessionPlan& other) {
  return one.dependencies == other.dependencies && one.resolved_on == other.resolved_on &&
         one.python_version == other.python_version;
}

bool same_session(const SessionPlan& one, const SessionPlan& other) {
  return one.room == other.room && same_packages(one, other) && one.limits == other.limits &&
         one.undo == other.undo;
}

}  // namespace pyember::host

#include "host/tools/session_wish.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <string_view>

#include "base/limits.h"
#include "host/tools/arguments.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr double kMegabyte = 1e6;

const Json* member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Error not_run(const std::string& what, const std::string& instead) {
  return {ErrorCode::InvalidArgument, fmt::format("The cell was not run: {}. {}", what, instead)};
}

// What one limit may be. Fractions are rounded up to whole units.
struct LimitForm {
  const char* name;
  double unit;
  double least;
  bool whole;
};

constexpr double kMostOfAnyLimit = 1e9;
// Below that the interpreter itself has no room to describe an error.
constexpr double kLeastMegabytes = 16;

Result<std::optional<std::uint64_t>> limit(const Json& limits, const LimitForm& form) {
  const Json* given = member(limits, form.name);
  if (given == nullptr) return std::optional<std::uint64_t>();
  const double value = given->is_number() ? given->get<double>() : 0;
  const bool in_range = value > 0 && value >= form.least && value <= kMostOfAnyLimit;
  if (!in_range || (form.whole && value != std::floor(value))) {
    return not_run(
        fmt::format("limits.{} is {}, and it must be a {}number {} {:g} and at most {:.0f}",
                    form.name, given->dump(), form.whole ? "whole " : "",
                    form.least > 0 ? "from" : "above", form.least, kMostOfAnyLimit),
        "Give another, or leave it out.");
  }
  return std::optional<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(value * form.unit)));
}

Result<void> read_limits(const Json& given, WorkerLimits& limits) {
  std::optional<std::uint64_t> wall_ms;
  for (const auto& [form, target] :
       {std::pair{LimitForm{"memory_mb", kMegabyte, kLeastMegabytes, false}, &limits.memory_bytes},
        std::pair{LimitForm{"cpu_seconds", 1, 0, false}, &limits.cpu_seconds},
        std::pair{LimitForm{"wall_seconds", 1000, 0, false}, &wall_ms},
        std::pair{LimitForm{"processes", 1, 1, true}, &limits.processes},
        std::pair{LimitForm{"file_size_mb", kMegabyte, 0, false}, &limits.file_size_bytes},
        std::pair{LimitForm{"open_files", 1, 1, true}, &limits.open_files}}) {
    auto value = limit(given, form);
    if (!value) return value.error();
    *target = value.value();
  }
  if (wall_ms) limits.wall_time = std::chrono::milliseconds(*wall_ms);
  return {};
}

Result<void> read_confinement(const Json& given, embed::Confinement& confinement) {
  if (const Json* network = member(given, "network"); network != nullptr) {
    confinement.no_network = network->is_boolean() && !network->get<bool>();
  }
  const Json* write = member(given, "write");
  if (write == nullptr) return {};
  confinement.write_paths.emplace();
  for (const Json& path : *write) {
    const std::string text = path.is_string() ? path.get<std::string>() : std::string();
    if (text.empty() || text.front() != '/') {
      return not_run(fmt::format("confine.write holds '{}', which is no absolute path", text),
                     "Name folders by absolute paths.");
    }
    confinement.write_paths->push_back(text);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<SessionWish>> wish_in(const Json& arguments) {
  std::unique_ptr<SessionWish> wish;
  const auto asked = [&]() -> SessionWish& {
    if (!wish) wish = std::make_unique<SessionWish>();
    return *wish;
  };
  if (const Json* given = member(arguments, "isolation")) {
    asked().isolation = parse_isolation(given->get<std::string>());
  }
  if (const Json* given = member(arguments, "dependencies"); given != nullptr && !given->empty()) {
    for (const Json& each : *given) asked().dependencies.push_back(each.get<std::string>());
  }
  if (const Json* given = member(arguments, "python_version")) {
    asked().python_version = given->get<std::string>();
  }
  if (const Json* given = member(arguments, "limits")) {
    if (auto read = read_limits(*given, asked().limits); !read) return read.error();
  }
  if (const Json* given = member(arguments, "undo")) {
    asked().undo = given->get<std::size_t>();
  }
  if (const Json* given = member(arguments, "confine")) {
    if (auto read = read_confinement(*given, asked().confinement); !read) return read.error();
  }
  if (wish && wish->empty()) wish.reset();
  return wish;
}

void add_wish_properties(Json& properties) {
  const auto number = [](const char* name) { return Json{{name, {{"type", "number"}}}}; };
  Json limits = Json::object();
  for (const char* name :
       {"memory_mb", "cpu_seconds", "wall_seconds", "processes", "file_size_mb", "open_files"}) {
    limits.update(number(name));
  }
  properties["isolation"] = {
      {"type", "string"},
      {"enum", {"auto", "inprocess", "process", "sandbox", "container"}},
      {"description", "of a new session; auto moves to a worker process when code needs one"}};
  properties["dependencies"] = {
      {"type", "array"},
      {"items", {{"type", "string"}}},
      {"description", "packages to install into the session first, e.g. pandas>=2"}};
  properties["python_version"] = {{"type", "string"}, {"description", "of a new session"}};
  properties["limits"] = {{"type", "object"},
                          {"properties", limits},
                          {"additionalProperties", false},
                          {"description", "of a new session; in later calls of that call alone"}};
  properties["undo"] = {{"type", "integer"},
                        {"minimum", 1},
                        {"maximum", limits::kMaximumUndo},
                        {"description", "so many cells undo_session can take back"}};
  properties["confine"] = {
      {"type", "object"},
      {"properties",
       {{"network", {{"type", "boolean"}}},
        {"write", {{"type", "array"}, {"items", {{"type", "string"}}}}}}},
      {"additionalProperties", false},
      {"description", "guard rail for a new in-process session: no network, folders to write in"}};
}

}  // namespace pyember::host

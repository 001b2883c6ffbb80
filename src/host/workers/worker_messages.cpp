#include "host/workers/worker_messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "mcp/json.h"

namespace pyember::host {

namespace {

using mcp::Json;

Error broken(std::string what) { return {ErrorCode::InvalidArgument, std::move(what)}; }

const Json* member(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

// A whole number that is not negative.
std::optional<std::uint64_t> count_in(const Json& object, std::string_view name) {
  const Json* value = member(object, name);
  if (value == nullptr || !value->is_number_unsigned()) return std::nullopt;
  return value->get<std::uint64_t>();
}

bool read_text(const Json* value, std::string& text) {
  if (value == nullptr || !value->is_string()) return false;
  text = value->get<std::string>();
  return true;
}

bool read_result(const Json& header, embed::CellOutcome& outcome) {
  const Json* value = member(header, "result");
  if (value == nullptr || value->is_null()) return true;
  return read_text(value, outcome.result.emplace());
}

bool read_error(const Json& header, embed::CellOutcome& outcome) {
  const Json* value = member(header, "error");
  if (value == nullptr || value->is_null()) return true;
  if (!value->is_array() || value->size() != 3) return false;
  embed::CellError& error = outcome.error.emplace();
  return read_text(&(*value)[0], error.type) && read_text(&(*value)[1], error.message) &&
         read_text(&(*value)[2], error.traceback);
}

bool read_notices(const Json& header, embed::CellOutcome& outcome) {
  const Json* value = member(header, "notices");
  if (value == nullptr || value->is_null()) return true;
  if (!value->is_array() || value->size() > limits::kWorkerListedItems) return false;
  for (const Json& each : *value) {
    if (!read_text(&each, outcome.notices.emplace_back())) return false;
  }
  return true;
}

// The body holds the data of all of them, and nothing else.
bool read_displays(const Json& header, std::string_view body, embed::CellOutcome& outcome) {
  const Json* value = member(header, "displays");
  if (value == nullptr || value->is_null()) return body.empty();
  if (!value->is_array() || value->size() > limits::kWorkerListedItems) return false;
  for (const Json& each : *value) {
    if (!each.is_array() || each.size() != 2 || !each[1].is_number_unsigned()) return false;
    const std::uint64_t length = each[1].get<std::uint64_t>();
    embed::Display& display = outcome.displays.emplace_back();
    if (length > body.size() || !read_text(&each[0], display.mime)) return false;
    display.data = body.substr(0, length);
    body.remove_prefix(length);
  }
  return body.empty();
}

Result<WorkerMessage> read_done(const Json& header, const std::string& body) {
  CellDone done;
  const auto cell = count_in(header, "cell");
  const auto status = count_in(header, "status");
  if (!cell) return broken("an outcome without its cell");
  if (!status || *status > 2) return broken("an outcome with a status that is none");
  done.cell = *cell;
  done.status = static_cast<DoneStatus>(*status);
  if (!read_result(header, done.outcome) || !read_error(header, done.outcome) ||
      !read_notices(header, done.outcome)) {
    return broken("an outcome with a result, an error or notices of another form");
  }
  if (!read_displays(header, body, done.outcome)) {
    return broken("an outcome whose displays are not what its body holds");
  }
  const Json* plain = member(header, "plain");
  if (plain != nullptr && !plain->is_boolean()) return broken("an outcome with an odd 'plain'");
  done.plain = plain != nullptr && plain->get<bool>();
  if (const auto memory = count_in(header, "memory")) {
    constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
    done.memory_bytes = static_cast<std::int64_t>(std::min(*memory, kMost));
  }
  return WorkerMessage(std::move(done));
}

Result<WorkerMessage> read_names(const Json& header) {
  WorkerNames found;
  const auto ticket = count_in(header, "ticket");
  const Json* names = member(header, "names");
  if (!ticket || names == nullptr || !names->is_array())
    return broken("a list of names of no form");
  found.ticket = *ticket;
  found.names.reserve(names->size());
  for (const Json& each : *names) {
    embed::NameInfo& info = found.names.emplace_back();
    const bool good = each.is_array() && each.size() == 4 && read_text(&each[0], info.name) &&
                      read_text(&each[1], info.type) && read_text(&each[2], info.size) &&
                      read_text(&each[3], info.short_repr);
    if (!good) return broken("a list of names with one of another form");
  }
  return WorkerMessage(std::move(found));
}

Result<WorkerMessage> read_ready(const Json& header) {
  WorkerReady ready;
  const Json* left = member(header, "left");
  if (left == nullptr) return WorkerMessage(std::move(ready));
  if (!left->is_array() || left->size() > limits::kWorkerListedItems) {
    return broken("a list of what was not carried of no form");
  }
  for (const Json& each : *left) {
    if (!read_text(&each, ready.left.emplace_back())) return broken("a list with no texts");
  }
  return WorkerMessage(std::move(ready));
}

Result<WorkerMessage> read_forked(const Json& header) {
  const auto pid = count_in(header, "pid");
  if (!pid || *pid <= 1 || *pid > static_cast<std::uint64_t>(std::numeric_limits<pid_t>::max())) {
    return broken("a copy without its process");
  }
  return WorkerMessage(WorkerForked{static_cast<pid_t>(*pid)});
}

Result<WorkerMessage> read_fork_failed(const Json& header) {
  WorkerForkFailed failed;
  if (!read_text(member(header, "error"), failed.error)) return broken("a copy that failed mutely");
  return WorkerMessage(std::move(failed));
}

Json limits_json(const WorkerLimits& limits) {
  Json object = Json::object();
  const auto add = [&object](const char* name, const std::optional<std::uint64_t>& limit) {
    if (limit) object[name] = *limit;
  };
  add("memory_bytes", limits.memory_bytes);
  add("cpu_seconds", limits.cpu_seconds);
  add("processes", limits.processes);
  add("file_size_bytes", limits.file_size_bytes);
  add("open_files", limits.open_files);
  return object;
}

const char* operation_of(embed::CellKind kind) {
  switch (kind) {
    case embed::CellKind::Snapshot:
      return "snapshot";
    case embed::CellKind::Restore:
      return "restore";
    case embed::CellKind::Ask:
      return "ask";
    case embed::CellKind::Code:
      break;
  }
  return "run";
}

}  // namespace

Result<WorkerMessage> read_worker_message(Frame& frame) {
  const Result<Json> parsed = mcp::parse_json(frame.header);
  if (!parsed) return broken("a message that is no JSON: " + parsed.error().message);
  const Json& header = parsed.value();
  std::string operation;
  if (!header.is_object() || !read_text(member(header, "op"), operation)) {
    return broken("a message without 'op'");
  }
  if (operation == "done") return read_done(header, frame.body);
  if (!frame.body.empty()) return broken("a message with a body that belongs to nothing");
  if (operation == "ready") return read_ready(header);
  if (operation == "forking") return WorkerMessage(WorkerForking{});
  if (operation == "forked") return read_forked(header);
  if (operation == "fork_failed") return read_fork_failed(header);
  if (operation == "names") return read_names(header);
  return broken("a message that is unknown");
}

std::string cell_header(const embed::CellRequest& request) {
  std::string header =
      fmt::format(R"({{"op":"{}","cell":{})", operation_of(request.kind), request.number);
  if (request.limits) {
    header += fmt::format(R"(,"limits":{})", mcp::to_json_text(limits_json(*request.limits)));
  }
  header += '}';
  return header;
}

std::string names_header(std::uint64_t ticket) {
  return fmt::format(R"({{"op":"names","ticket":{}}})", ticket);
}

std::string checkpoint_header(const embed::CheckpointOrder& order) {
  return fmt::format(R"({{"op":"checkpoint","limit":{},"seconds":{}}})", order.maximum_bytes,
                     static_cast<double>(order.timeout.count()) / 1000);
}

std::string packages_header(const std::vector<std::string>& directories, const std::string& root) {
  return mcp::to_json_text({{"op", "packages"}, {"sites", directories}, {"root", root}});
}

std::string fork_message(std::uint64_t id, const ForkOrder& order) {
  return mcp::to_json_text({{"op", "fork"},
                            {"id", id},
                            {"name", order.name},
                            {"cwd", order.working_directory},
                            {"sites", order.sites},
                            {"root", order.root},
                            {"folder", order.folder},
                            {"limits", limits_json(order.limits)},
                            {"memory_group", order.memory_group},
                            {"processes_group", order.processes_group},
                            {"room", order.in_room},
                            {"saved_tools", order.saved_tools}});
}

std::string copy_header(const ForkOrder& order) {
  return mcp::to_json_text({{"op", "fork"},
                            {"name", order.name},
                            {"folder", order.folder},
                            {"limits", limits_json(order.limits)},
                            {"memory_group", order.memory_group},
                            {"processes_group", order.processes_group},
                            {"room", order.in_room}});
}

std::string expect_message(std::uint64_t id) {
  return fmt::format(R"({{"op":"expect","id":{}}})", id);
}

std::string adopt_message(std::uint64_t id, pid_t pid) {
  return fmt::format(R"({{"op":"adopt","id":{},"pid":{}}})", id, pid);
}

std::string signal_message(pid_t pid, int number) {
  return fmt::format(R"({{"op":"signal","pid":{},"signal":{}}})", pid, number);
}

std::string preload_message(const std::vector<std::string>& modules,
                            const std::vector<std::string>& sites) {
  return mcp::to_json_text({{"op", "preload"}, {"modules", modules}, {"sites", sites}});
}

}  // namespace pyember::host

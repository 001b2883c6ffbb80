#include "host/state/state_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>

#include "base/file_io.h"
#include "base/limits.h"
#include "base/sha256.h"
#include "base/unique_fd.h"
#include "mcp/json.h"

namespace pyember::host {

namespace {

using mcp::Json;

// As snapshot_file.py writes it: "<8s4HQQQQ32s32s".
constexpr std::string_view kMagic("pyember\0", 8);
constexpr std::uint64_t kFormat = 2;
constexpr std::size_t kHeaderBytes = 112;
constexpr std::size_t kDigestBytes = 32;

std::uint64_t number_at(std::string_view header, std::size_t place, std::size_t size) {
  std::uint64_t number = 0;
  for (std::size_t i = size; i > 0; --i) {
    number = number << 8 | static_cast<unsigned char>(header[place + i - 1]);
  }
  return number;
}

std::string in_hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

Error damaged(const std::string& path, const std::string& how) {
  return {ErrorCode::InvalidArgument,
          fmt::format("The saved state {} can't be used: {}. Nothing was changed. Name another "
                      "file, or make the names anew and save them again.",
                      path, how)};
}

Error unreadable(const std::string& path, int error) {
  if (error == ENOENT) {
    return {ErrorCode::NotFound,
            fmt::format("There is no saved state at {}. Nothing was changed. save_session makes "
                        "one; list_sessions tells which there are.",
                        path)};
  }
  return {ErrorCode::Unavailable,
          fmt::format("The saved state {} can't be opened ({}). Nothing was changed. See that the "
                      "user who runs the server may read it, or name another file.",
                      path, strerror(error))};
}

// --- the plan in JSON ----------------------------------------------------------------------------

template <typename Number>
void put(Json& object, const char* name, const std::optional<Number>& value) {
  if (value) object[name] = *value;
}

Json limits_in_json(const WorkerLimits& limits) {
  Json object = Json::object();
  put(object, "memory_bytes", limits.memory_bytes);
  put(object, "cpu_seconds", limits.cpu_seconds);
  if (limits.wall_time) object["wall_ms"] = limits.wall_time->count();
  put(object, "processes", limits.processes);
  put(object, "file_size_bytes", limits.file_size_bytes);
  put(object, "open_files", limits.open_files);
  return object;
}

std::string text_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<std::uint64_t> number_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

std::vector<std::string> texts_in(const Json& object, const char* name) {
  std::vector<std::string> texts;
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) return texts;
  for (const Json& each : *found) {
    if (each.is_string()) texts.push_back(each.get<std::string>());
  }
  return texts;
}

WorkerLimits limits_in(const Json& object) {
  WorkerLimits limits;
  limits.memory_bytes = number_in(object, "memory_bytes");
  limits.cpu_seconds = number_in(object, "cpu_seconds");
  if (const auto wall = number_in(object, "wall_ms")) {
    limits.wall_time = std::chrono::milliseconds(*wall);
  }
  limits.processes = number_in(object, "processes");
  limits.file_size_bytes = number_in(object, "file_size_bytes");
  limits.open_files = number_in(object, "open_files");
  return limits;
}

SessionPlan plan_in(const Json& object) {
  SessionPlan plan;
  plan.asked = parse_isolation(text_in(object, "asked")).value_or(Isolation::Auto);
  const Isolation room = parse_isolation(text_in(object, "room")).value_or(Isolation::Process);
  plan.room = room == Isolation::Auto ? Isolation::Process : room;
  plan.dependencies = texts_in(object, "dependencies");
  plan.resolved_on = text_in(object, "resolved_on");
  plan.python_version = text_in(object, "python_version");
  if (const auto limits = object.find("limits"); limits != object.end() && limits->is_object()) {
    plan.limits = limits_in(*limits);
  }
  plan.undo = std::min<std::size_t>(number_in(object, "undo").value_or(0), limits::kMaximumUndo);
  plan.confinement.no_network = number_in(object, "no_network").value_or(0) != 0;
  if (object.contains("write_paths")) {
    plan.confinement.write_paths = texts_in(object, "write_paths");
  }
  return plan;
}

Json in_json(const SessionPlan& plan) {
  Json object = {{"asked", to_string(plan.asked)},        {"room", to_string(plan.room)},
                 {"dependencies", plan.dependencies},     {"resolved_on", plan.resolved_on},
                 {"python_version", plan.python_version}, {"limits", limits_in_json(plan.limits)}};
  if (plan.undo != 0) object["undo"] = plan.undo;
  if (plan.confinement.no_network) object["no_network"] = 1;
  if (plan.confinement.write_paths) object["write_paths"] = *plan.confinement.write_paths;
  return object;
}

}  // namespace

std::string to_text(const StateAbout& about) {
  return mcp::to_json_text({{"session", about.session},
                            {"cell", about.cell},
                            {"next", about.next_number},
                            {"saved_at", about.saved_at},
                            {"plan", in_json(about.plan)}});
}

Result<StateAbout> parse_about(const std::string& text) {
  const Result<Json> parsed = mcp::parse_json(text);
  if (!parsed) return parsed.error();
  const Json& object = parsed.value();
  if (!object.is_object() || !object.contains("plan") || !object["plan"].is_object()) {
    return Error{ErrorCode::InvalidArgument, "it does not tell how its session was made"};
  }
  StateAbout about;
  about.session = text_in(object, "session");
  about.cell = number_in(object, "cell").value_or(0);
  about.next_number = std::max<std::uint64_t>(1, number_in(object, "next").value_or(1));
  about.saved_at = static_cast<std::int64_t>(number_in(object, "saved_at").value_or(0));
  about.plan = plan_in(object["plan"]);
  return about;
}

Result<StateHeader> read_state_header(const std::string& path, StateDetail detail) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!file || fstat(file.get(), &status) != 0) return unreadable(path, errno);
  if (!S_ISREG(status.st_mode)) return damaged(path, "it is no file");
  const std::string header = read_at(file.get(), 0, kHeaderBytes);
  if (header.size() != kHeaderBytes || !header.starts_with(kMagic)) {
    return damaged(path, "it does not begin as a saved state does");
  }
  if (const std::uint64_t format = number_at(header, 8, 2); format != kFormat) {
    return damaged(
        path, fmt::format("its format is {}, and this server reads format {}", format, kFormat));
  }
  StateHeader found;
  found.python = fmt::format("{}.{}", number_at(header, 10, 2), number_at(header, 12, 2));
  found.bytes = static_cast<std::uint64_t>(status.st_size);
  if (found.bytes != kHeaderBytes + number_at(header, 16, 8)) {
    return damaged(path, "its length is not the one it had when it was written");
  }
  const std::uint64_t about_bytes = number_at(header, 32, 8);
  const std::uint64_t more_bytes = number_at(header, 40, 8);
  if (about_bytes == 0) return damaged(path, "it was made to be carried, not to be kept");
  if (about_bytes > limits::kStateAboutBytes || more_bytes > limits::kStateMoreBytes) {
    return damaged(path, "what it tells about itself is too long");
  }
  const std::string about = read_at(file.get(), kHeaderBytes, about_bytes);
  if (sha256_hex(about) != in_hex(std::string_view(header).substr(48, kDigestBytes))) {
    return damaged(path, "its checksum does not fit its content");
  }
  Result<StateAbout> told = parse_about(about);
  if (!told) return damaged(path, told.error().message);
  found.about = told.take();
  if (detail == StateDetail::AboutAndMore) {
    found.more = read_at(file.get(), kHeaderBytes + about_bytes, more_bytes);
  }
  return found;
}

}  // namespace pyember::host

#include "host/runs/run_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "base/limits.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::flag_in;
using mcp::Json;
using mcp::number_in;
using mcp::text_in;

namespace {

std::optional<std::string> read_record(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return std::nullopt;
  std::string text(limits::kRunRecordBytes, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = read(fd, text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    size += static_cast<std::size_t>(n);
  }
  close(fd);
  text.resize(size);
  return text;
}

std::optional<Json> read_json(const std::string& path) {
  const std::optional<std::string> text = read_record(path);
  if (!text) return std::nullopt;
  Result<Json> json = mcp::parse_json(*text);
  if (!json || !json.value().is_object()) return std::nullopt;
  return json.take();
}

std::uint64_t count_in(const Json& record, const char* name) {
  const auto found = record.find(name);
  return found != record.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

}  // namespace

std::string stream_path(const std::string& folder, Stream stream) {
  return folder + "/" + to_string(stream);
}

std::optional<RunnerRecord> read_runner(const std::string& folder) {
  const std::optional<Json> json = read_json(folder + "/runner");
  if (!json) return std::nullopt;
  RunnerRecord record;
  record.runner.pid = static_cast<pid_t>(count_in(*json, "pid"));
  record.runner.start_ticks = count_in(*json, "start_ticks");
  record.runner.boot_id = text_in(*json, "boot_id");
  record.child = static_cast<pid_t>(count_in(*json, "child"));
  record.started_at = number_in(*json, "started_at");
  if (record.runner.pid <= 1) return std::nullopt;
  return record;
}

std::optional<RunEnd> read_exit(const std::string& folder) {
  const std::optional<Json> json = read_json(folder + "/exit");
  return json ? run_end_from(*json) : std::nullopt;
}

bool runner_holds_lock(const std::string& folder) {
  const int fd = open((folder + "/lock").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  int locked = 0;
  do {
    locked = flock(fd, LOCK_SH | LOCK_NB);
  } while (locked != 0 && errno == EINTR);
  const bool held = locked != 0 && errno == EWOULDBLOCK;
  close(fd);  // and with it a lock of ours
  return held;
}

Json to_json(const RunEnd& end) {
  return {{"exit_code", end.exit_code},           {"timed_out", end.timed_out},
          {"cancelled", end.cancelled},           {"limit", or_null(end.limit)},
          {"error", or_null(end.error)},          {"error_kind", or_null(end.error_kind)},
          {"started_at", end.started_at},         {"ended_at", end.ended_at},
          {"wall_seconds", end.wall_seconds},     {"cpu_seconds", end.cpu_seconds},
          {"queued_seconds", end.queued_seconds}, {"peak_bytes", end.peak_bytes},
          {"peak_source", end.peak_source}};
}

std::optional<RunEnd> run_end_from(const Json& record) {
  if (!record.is_object()) return std::nullopt;
  const auto code = record.find("exit_code");
  RunEnd end;
  end.error = text_in(record, "error");
  end.error_kind = text_in(record, "error_kind");
  const bool has_code = code != record.end() && code->is_number_integer();
  if (!has_code && end.error.empty()) return std::nullopt;
  if (has_code) end.exit_code = code->get<int>();
  end.timed_out = flag_in(record, "timed_out");
  end.cancelled = flag_in(record, "cancelled");
  end.limit = text_in(record, "limit");
  end.started_at = number_in(record, "started_at");
  end.ended_at = number_in(record, "ended_at");
  end.wall_seconds = number_in(record, "wall_seconds");
  end.cpu_seconds = record.contains("cpu_seconds")
                        ? number_in(record, "cpu_seconds")
                        : number_in(record, "user_seconds") + number_in(record, "system_seconds");
  end.queued_seconds = number_in(record, "queued_seconds");
  end.peak_bytes = count_in(record, "peak_bytes");
  end.peak_source = text_in(record, "peak_source");
  return end;
}

}  // namespace pyember::host

#include "host/jobs/job_record.h"

#include <fmt/format.h>

#include "base/iso_time.h"
#include "base/utf8.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::Json;
using mcp::text_in;

namespace {

Json time_or_null(double seconds) { return seconds > 0 ? Json(iso_time(seconds)) : Json(); }

Json value_in(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() ? *found : Json();
}

double time_in(const Json& json, const char* name) {
  return parse_iso_time(text_in(json, name)).value_or(0);
}

std::string bounded(const std::string& text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  std::size_t half = bytes / 2;
  std::string head = text.substr(0, half);
  head.resize(head.size() - utf8::incomplete_suffix(head));
  std::size_t from = text.size() - half;
  while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80) ++from;
  return fmt::format("{}\n[{} bytes left out here; the job's output has them]\n{}", head,
                     from - head.size(), text.substr(from));
}

}  // namespace

Json to_json(const ProcessIdentity& process) {
  return {{"pid", process.pid}, {"start_ticks", process.start_ticks}, {"boot_id", process.boot_id}};
}

std::optional<ProcessIdentity> process_identity_from(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  const auto pid = json.find("pid");
  const auto ticks = json.find("start_ticks");
  if (pid == json.end() || !pid->is_number_integer()) return std::nullopt;
  ProcessIdentity identity;
  identity.pid = pid->get<pid_t>();
  if (ticks != json.end() && ticks->is_number_integer()) {
    identity.start_ticks = ticks->get<std::uint64_t>();
  }
  identity.boot_id = text_in(json, "boot_id");
  return identity;
}

Json to_json(const JobRecord& record) {
  const Job& job = record.job;
  Json json = {{"id", job.id},
               {"label", job.label},
               {"status", to_string(job.status)},
               {"created_at", time_or_null(job.created_at)},
               {"started_at", time_or_null(job.started_at)},
               {"completed_at", time_or_null(job.completed_at)},
               {"error", job.error.empty() ? Json() : Json(job.error)},
               {"result", job.result},
               {"progress", job.progress},
               {"partial_stdout", record.partial_stdout},
               {"partial_stderr", record.partial_stderr},
               {"tool", job.tool},
               {"details", job.details}};
  if (record.owner) json["owner"] = to_json(*record.owner);
  return json;
}

std::optional<JobRecord> job_record_from(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  JobRecord record;
  Job& job = record.job;
  job.id = text_in(json, "id");
  const auto status = parse_job_status(text_in(json, "status"));
  if (job.id.empty() || !status) return std::nullopt;
  job.status = *status;
  job.label = text_in(json, "label");
  job.tool = text_in(json, "tool");
  job.created_at = time_in(json, "created_at");
  job.started_at = time_in(json, "started_at");
  job.completed_at = time_in(json, "completed_at");
  job.error = text_in(json, "error");
  job.result = value_in(json, "result");
  job.progress = value_in(json, "progress");
  job.details = value_in(json, "details");
  record.partial_stdout = text_in(json, "partial_stdout");
  record.partial_stderr = text_in(json, "partial_stderr");
  record.owner = process_identity_from(value_in(json, "owner"));
  return record;
}

Json with_bounded_texts(const Json& json, std::size_t bytes) {
  if (json.is_string()) return bounded(json.get_ref<const std::string&>(), bytes);
  Json copy = json;
  if (json.is_structured()) {
    for (Json& value : copy) value = with_bounded_texts(value, bytes);
  }
  return copy;
}

}  // namespace pyember::host

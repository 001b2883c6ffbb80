#include "host/tools/run_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "host/boundaries/container_failures.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::Json;
using mcp::texts_in;

namespace {

constexpr std::size_t kBytesPerCharacter = 4;  // at most, in UTF-8

Json list(const std::vector<std::string>& texts) {
  Json array = Json::array();
  for (const std::string& each : texts) array.push_back(each);
  return array;
}

template <typename T>
T value_or(const Json& object, const char* name, T otherwise) {
  const auto member = object.find(name);
  if (member == object.end()) return otherwise;
  if constexpr (std::is_same_v<T, bool>) {
    return member->is_boolean() ? member->get<bool>() : otherwise;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return member->is_string() ? member->get<std::string>() : otherwise;
  } else {
    return member->is_number() ? member->get<T>() : otherwise;
  }
}

Json base_result(const RunFacts& facts, std::string out, std::string err, int exit_code,
                 double elapsed) {
  Json result = Json::object();
  result["stdout"] = std::move(out);
  result["stderr"] = std::move(err);
  result["exit_code"] = exit_code;
  result["execution_strategy"] = facts.strategy;
  result["elapsed_seconds"] = rounded(elapsed);
  if (facts.with_dependencies) result["resolved_dependencies"] = list(facts.dependencies);
  if (facts.with_dependencies || !facts.python_version.empty()) {
    result["python_version_used"] = facts.python_version;
  }
  if (!facts.auto_added.empty()) result["auto_added_dependencies"] = list(facts.auto_added);
  if (facts.with_dependencies && !facts.locked.empty()) {
    result["locked_dependencies"] = list(facts.locked);
  }
  if (facts.setup_seconds > 0) result["setup_seconds"] = rounded(facts.setup_seconds);
  if (!facts.autosaved.empty()) result["autosaved"] = facts.autosaved;
  if (!facts.isolation.empty()) result["isolation"] = facts.isolation;
  for (const std::string& each : facts.notes) add_note(result, each);
  return result;
}

// What podman and docker end with when the container never began.
constexpr int kNoContainer = 125;

std::string why_no_container(const std::string& said) {
  const Result<ContainerSettings> settings = read_container_settings();
  if (!settings) return settings.error().message;
  const Result<ContainerRuntime> runtime = find_container_runtime(settings.value().runtime);
  if (!runtime) return runtime.error().message;
  return container_error(container_failure(said), runtime.value(), settings.value(), said).message;
}

}  // namespace

void add_note(Json& result, const std::string& note) {
  const std::string before = mcp::text_in(result, "note");
  result["note"] = before.empty() ? note : before + "; " + note;
}

RunFacts facts_of(const PreparedScript& script, RunFacts facts) {
  facts.strategy = script.strategy;
  facts.python_version = script.python_version;
  facts.dependencies = script.dependencies;
  facts.auto_added = script.auto_added;
  facts.locked = script.locked;
  facts.setup_seconds = script.setup_seconds;
  if (script.autosaved) facts.autosaved = script.autosaved->name;
  if (script.boundary != Boundary::None) facts.isolation = to_string(script.boundary);
  facts.notes = script.notes;
  return facts;
}

double rounded(double seconds) { return std::round(seconds * 1e6) / 1e6; }

Json RunFacts::to_json() const {
  Json details = Json::object();
  details["execution_strategy"] = strategy;
  details["python_version_used"] = python_version;
  details["resolved_dependencies"] = list(dependencies);
  details["auto_added_dependencies"] = list(auto_added);
  details["locked_dependencies"] = list(locked);
  details["setup_seconds"] = setup_seconds;
  details["autosaved"] = autosaved;
  if (!isolation.empty()) details["isolation"] = isolation;
  if (!notes.empty()) details["notes"] = list(notes);
  details["with_dependencies"] = with_dependencies;
  details["stream"] = stream;
  details["max_output_chars"] = max_output_chars;
  if (!markdown) details["markdown"] = false;
  return details;
}

RunFacts RunFacts::from_json(const Json& details) {
  RunFacts facts;
  if (!details.is_object()) return facts;
  facts.strategy = value_or<std::string>(details, "execution_strategy", "uv-run");
  facts.python_version = value_or<std::string>(details, "python_version_used", "");
  facts.dependencies = texts_in(details, "resolved_dependencies");
  facts.auto_added = texts_in(details, "auto_added_dependencies");
  facts.locked = texts_in(details, "locked_dependencies");
  facts.setup_seconds = value_or<double>(details, "setup_seconds", 0);
  facts.autosaved = value_or<std::string>(details, "autosaved", "");
  facts.isolation = value_or<std::string>(details, "isolation", "");
  facts.notes = texts_in(details, "notes");
  facts.with_dependencies = value_or<bool>(details, "with_dependencies", false);
  facts.stream = value_or<bool>(details, "stream", false);
  facts.markdown = value_or<bool>(details, "markdown", true);
  facts.max_output_chars = static_cast<std::size_t>(
      value_or<std::uint64_t>(details, "max_output_chars", limits::kOutputBudgetCharacters));
  return facts;
}

mcp::ToolResult never_begun(const AnswerForm& form) {
  return fault_answer(form, fault_of(Error{ErrorCode::Unavailable, kNeverBegun}));
}

mcp::RpcError lost_run_error(const std::string& tool, std::string why) {
  if (!why.empty() && why.back() != '.') why += '.';
  return {mcp::RpcCode::InternalError,
          fmt::format("The task has no result, because its run was lost. {} Look at what {} was to "
                      "change, then call it again.",
                      why, tool),
          {}};
}

StreamExcerpt excerpt_of(const JobOutput& output, Stream stream, std::size_t budget,
                         const std::string& job_id) {
  const std::uint64_t size = output.size(stream);
  const std::size_t most = budget * kBytesPerCharacter;
  if (size <= most) {
    std::string text = utf8::repaired(output.read(stream, 0, static_cast<std::size_t>(size)));
    if (utf8::count_characters(text) <= budget) return {std::move(text), false};
  }
  const std::size_t half = budget / 2;
  const std::string first = output.read(stream, 0, half * kBytesPerCharacter);
  const std::size_t last_bytes =
      static_cast<std::size_t>(std::min<std::uint64_t>(size, (budget - half) * kBytesPerCharacter));
  const std::string last = output.read(stream, size - last_bytes, last_bytes);
  const std::string_view head = utf8::head(first, half);
  const std::string_view tail = utf8::tail(last, budget - half);
  const std::uint64_t shown = head.size() + tail.size();
  return {fmt::format("{}\n[... {} bytes left out; get_job_output(job_id=\"{}\") or the resource "
                      "job-stream://{} has all of it ...]\n{}",
                      utf8::repaired(head), size > shown ? size - shown : 0, job_id, job_id,
                      utf8::repaired(tail)),
          true};
}

std::pair<std::size_t, std::size_t> shared_budget(const JobOutput& output, std::size_t budget) {
  const auto need = [&](Stream stream) {
    return static_cast<std::size_t>(std::min<std::uint64_t>(output.size(stream), budget));
  };
  const std::size_t half = budget / 2;
  const std::size_t for_out = std::max(half, budget - std::min(need(Stream::Stderr), half));
  return {for_out, budget - std::min(need(Stream::Stdout), for_out)};
}

Json run_result(const Job& job, const JobOutput& output) {
  if (!job.end || !job.end->error.empty()) return nullptr;
  const RunEnd& end = *job.end;
  const RunFacts facts = RunFacts::from_json(job.details);
  const std::size_t budget =
      facts.max_output_chars > 0 ? facts.max_output_chars : limits::kJobAnswerBytes;
  const auto [for_out, for_err] = shared_budget(output, budget);
  StreamExcerpt out = excerpt_of(output, Stream::Stdout, for_out, job.id);
  StreamExcerpt err = excerpt_of(output, Stream::Stderr, for_err, job.id);
  Json result =
      base_result(facts, std::move(out.text), std::move(err.text), end.exit_code, end.wall_seconds);
  if (end.timed_out) result["timed_out"] = true;
  if (end.cancelled && !end.timed_out) add_note(result, "cancelled");
  if (!end.limit.empty()) result["limit"] = end.limit;
  if (facts.isolation == "container" && end.exit_code == kNoContainer) {
    add_note(result, why_no_container(mcp::text_in(result, "stderr")));
  }
  if (out.cut || err.cut) {
    result["output_cut"] = true;
    result["job_id"] = job.id;
  }
  return result;
}

Json failed_run_result(const RunFacts& facts, int exit_code, const std::string& stderr_text,
                       double elapsed_seconds) {
  return base_result(facts, "", utf8::repaired(stderr_text), exit_code, elapsed_seconds);
}

}  // namespace pyember::host

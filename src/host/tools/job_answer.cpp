#include "host/tools/job_answer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/iso_time.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "host/tools/markdown.h"
#include "host/tools/run_answer.h"

namespace pyember::host {

using mcp::Json;

namespace {

Json time_or_null(double seconds) { return seconds > 0 ? Json(iso_time(seconds)) : Json(nullptr); }

}  // namespace

Json describe_job(const Job& job, const JobOutput* output, std::size_t budget) {
  Json fields = Json::object();
  fields["id"] = job.id;
  fields["label"] = job.label;
  fields["status"] = to_string(job.status);
  fields["created_at"] = time_or_null(job.created_at);
  fields["started_at"] = time_or_null(job.started_at);
  fields["completed_at"] = time_or_null(job.completed_at);
  fields["error"] = job.error.empty() ? Json(nullptr) : Json(job.error);
  fields["result"] = job.result;
  fields["progress"] = job.progress;
  if (output == nullptr || job.is_over()) return fields;
  const auto [for_out, for_err] = shared_budget(*output, budget);
  fields["partial_stdout"] = excerpt_of(*output, Stream::Stdout, for_out, job.id).text;
  fields["partial_stderr"] = excerpt_of(*output, Stream::Stderr, for_err, job.id).text;
  return fields;
}

Json summarise_job(const Job& job) {
  Json fields = describe_job(job, nullptr, 0);
  Json& result = fields["result"];
  if (!result.is_object()) return fields;
  for (auto& [name, value] : result.items()) {
    if (!value.is_string()) continue;
    const std::string text = value.get<std::string>();
    if (utf8::count_characters(text) <= limits::kListedOutputCharacters) continue;
    value = fmt::format("{} [... py_job_status shows more ...]",
                        utf8::head(text, limits::kListedOutputCharacters));
  }
  return fields;
}

std::string exit_code_text(const Job& job) {
  return job.end && job.is_over() ? std::to_string(job.end->exit_code) : "None";
}

std::string elapsed_text(const Job& job) {
  const double begin = job.started_at > 0 ? job.started_at : job.created_at;
  const double end = job.is_over() && job.completed_at > 0 ? job.completed_at : unix_now();
  return fmt::format("{:.2f}", std::max(0.0, end - begin));
}

std::string job_markdown(const std::string& title, const Json& status) {
  if (!status.contains("job")) return fields_markdown(title, status);
  Json facts = Json::object();
  std::string outputs;
  for (const auto& [name, value] : status["job"].items()) {
    const bool is_output = name.find("_std") != std::string::npos;
    if (name == "result" || value.is_null()) continue;
    if (!is_output) {
      facts[name] = value;
    } else if (!value.get_ref<const std::string&>().empty()) {
      outputs += fmt::format("\n### {}\n{}", name, fenced(value.get_ref<const std::string&>()));
    }
  }
  std::string text =
      fields_markdown(fmt::format("{} — {}", title, status["job"].value("status", "")), facts);
  text += outputs;
  const auto result = status["job"].find("result");
  if (result != status["job"].end() && result->is_object()) {
    // Its heading stands one level below ours.
    text += "\n#" + (result->contains("exit_code") ? run_markdown("Result", *result)
                                                   : fields_markdown("Result", *result));
  }
  return text;
}

}  // namespace pyember::host

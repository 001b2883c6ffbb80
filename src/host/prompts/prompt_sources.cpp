#include "host/prompts/prompt_sources.h"

#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "host/jobs/job_resources.h"

namespace pyember::host {

namespace {

// The last bytes of a stream, from the beginning of a line if there is one.
std::string end_of(const JobOutput& output, Stream stream) {
  const std::uint64_t size = output.size(stream);
  const bool cut = size > limits::kPromptOutputBytes;
  std::string text =
      output.read(stream, cut ? size - limits::kPromptOutputBytes : 0, limits::kPromptOutputBytes);
  const std::size_t line = cut ? text.find('\n') : text.npos;
  if (line != text.npos) text.erase(0, line + 1);
  return utf8::is_valid(text) ? text : utf8::repaired(text);
}

std::optional<JobReport> report(JobRegistry& jobs, const std::string& id) {
  const std::optional<Job> job = jobs.find(id);
  if (!job) return std::nullopt;
  JobReport found{job->label, to_string(job->status), job->error, job_stream_uri(id), {}, {}};
  if (const auto output = jobs.output(id)) {
    found.output = end_of(*output, Stream::Stdout);
    found.errors = end_of(*output, Stream::Stderr);
  }
  return found;
}

}  // namespace

PromptSources prompt_sources(const SessionRegistry& sessions, JobRegistry& jobs,
                             const ScriptLibrary* scripts, mcp::ResourceCatalog& resources) {
  PromptSources sources;
  sources.sessions = [&sessions] {
    std::vector<std::string> names;
    for (const auto& [name, session] : sessions.sessions()) names.push_back(name);
    return names;
  };
  sources.jobs = [&jobs] {
    std::vector<std::string> ids;
    for (Job& job : jobs.list(JobFilter{std::nullopt, 0}).jobs) ids.push_back(std::move(job.id));
    return ids;
  };
  sources.job = [&jobs](const std::string& id) { return report(jobs, id); };
  sources.templates = [&resources] { return resources.templates(); };
  if (scripts == nullptr) return sources;
  sources.scripts = [scripts] {
    std::vector<std::string> names;
    for (StoredScript& script : scripts->list(false)) names.push_back(std::move(script.name));
    return names;
  };
  sources.script_path = [scripts](const std::string& name) {
    if (name.find('/') != name.npos) return std::string();  // a path already
    const Result<StoredScript> script = scripts->find(name, false);
    return script ? script.value().path : std::string();
  };
  return sources;
}

}  // namespace pyember::host

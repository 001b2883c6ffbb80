#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <utility>

#include "base/iso_time.h"
#include "base/limits.h"
#include "host/apps/view_resources.h"
#include "host/jobs/job_resources.h"
#include "host/tools/arguments.h"
#include "host/tools/executor_tools.h"
#include "host/tools/job_answer.h"
#include "host/tools/markdown.h"
#include "host/tools/script_schemas.h"

namespace pyember::host {

using mcp::Json;

namespace {

using Call = std::shared_ptr<mcp::ToolCall>;

// Where each job's output was last read to by py_job_status(incremental=true). Bounded: of many
// jobs those read last are remembered.
class Readers {
 public:
  StreamCursor& of(const std::string& id) {
    const auto found = std::find_if(cursors_.begin(), cursors_.end(),
                                    [&](const auto& each) { return each.first == id; });
    if (found != cursors_.end()) {
      cursors_.splice(cursors_.begin(), cursors_, found);
    } else {
      cursors_.emplace_front(id, StreamCursor{});
      if (cursors_.size() > limits::kIncrementalReaders) cursors_.pop_back();
    }
    return cursors_.front().second;
  }

 private:
  std::list<std::pair<std::string, StreamCursor>> cursors_;
};

struct JobTool {
  ExecutorParts parts;
  AnswerForm form;
  std::shared_ptr<Readers> readers;  // of the one tool that needs them, for as long as it is listed
};

void answer(const Call& call, const JobTool& tool, Json structured, Renderer render) {
  call->complete(tool_answer(answer_form_like(*call, tool.form), std::move(structured), render));
}

void refuse(const Call& call, const JobTool& tool, const Error& error) {
  call->complete(fault_answer(answer_form_like(*call, tool.form), fault_of(error)));
}

std::string job_id_of(const Call& call) {
  return Arguments(call->arguments()).text_or("job_id", "");
}

Error unknown_job(const std::string& id) {
  return Error{ErrorCode::InvalidArgument,
               fmt::format("job {} not found.\npy_list_jobs shows known ones.", id)};
}

bool is_streamed(const Job& job) {
  const auto stream = job.details.is_object() ? job.details.find("stream") : job.details.end();
  return job.details.is_object() && stream != job.details.end() && *stream == true;
}

// --- the tools of the first generation: every value is a string ----------------------------------

// list_running_jobs has no limit of its own; the newest are shown, which are those that run.
constexpr std::size_t kListedJobs = 500;

// Output is not kept in chunks; this many bytes count as one.
constexpr std::uint64_t kChunk = 4096;

std::string chunks(const JobOutput* output, Stream stream) {
  return std::to_string(output == nullptr ? 0 : (output->size(stream) + kChunk - 1) / kChunk);
}

Json running_job(const Job& job, const JobOutput* output) {
  Json fields = Json::object();
  fields["job_id"] = job.id;
  fields["running"] = job.is_over() ? "False" : "True";
  fields["exit_code"] = exit_code_text(job);
  fields["pid"] = job.pid > 0 ? std::to_string(job.pid) : "None";
  fields["elapsed_seconds"] = elapsed_text(job);
  fields["stream"] = is_streamed(job) ? "True" : "False";
  fields["stdout_chunks"] = chunks(output, Stream::Stdout);
  fields["stderr_chunks"] = chunks(output, Stream::Stderr);
  return fields;
}

std::string running_jobs_markdown(const std::string& title, const Json& jobs) {
  return fmt::format("## {}\n\n{}", title,
                     table({{"job", "job_id"},
                            {"running", "running"},
                            {"exit", "exit_code"},
                            {"pid", "pid"},
                            {"seconds", "elapsed_seconds"},
                            {"stream", "stream"},
                            {"stdout chunks", "stdout_chunks"},
                            {"stderr chunks", "stderr_chunks"}},
                           jobs, jobs.size()));
}

void list_running_jobs(const Call& call, const JobTool& tool) {
  JobRegistry& jobs = tool.parts.jobs;
  if (auto opened = jobs.open(); !opened) return refuse(call, tool, opened.error());
  Json list = Json::array();
  for (const Job& job : jobs.list(JobFilter{std::nullopt, kListedJobs}).jobs) {
    list.push_back(running_job(job, jobs.output(job.id).get()));
  }
  answer(call, tool, std::move(list), running_jobs_markdown);
}

std::string output_markdown(const std::string& title, const Json& output) {
  return run_markdown(title, output);
}

// cursor: only what came since, in pieces a message can carry.
Json output_since(const Job& job, const JobOutput* output, StreamCursor cursor, Json fields) {
  StreamText read;
  read.cursor = cursor;
  if (output != nullptr) read = read_since(*output, cursor, job.is_over());
  fields["stdout"] = std::move(read.out);
  fields["stderr"] = std::move(read.err);
  fields["next_cursor"] = to_string(read.cursor);
  fields["more"] = read.more;
  return fields;
}

Error bad_cursor(const std::string& text) {
  return Error{
      ErrorCode::InvalidArgument,
      fmt::format("'{}' is no cursor of get_job_output.\nBegin with cursor=\"0\" and go on "
                  "with the next_cursor of each answer.",
                  text)};
}

void get_job_output(const Call& call, const JobTool& tool) {
  const Arguments arguments(call->arguments());
  JobRegistry& jobs = tool.parts.jobs;
  const std::string id = job_id_of(call);
  const std::optional<Job> job = jobs.find(id);
  if (!job) return refuse(call, tool, unknown_job(id));
  const Result<std::size_t> budget = arguments.max_output_chars(limits::kJobAnswerBytes);
  if (!budget) return refuse(call, tool, budget.error());
  const std::unique_ptr<JobOutput> output = jobs.output(id);
  Json fields = Json::object();
  fields["status"] = job->is_over() ? "finished" : "running";
  fields["stdout"] = "";
  fields["stderr"] = "";
  fields["exit_code"] = exit_code_text(*job);
  fields["elapsed_seconds"] = elapsed_text(*job);
  if (const auto given = arguments.text("cursor")) {
    const std::optional<StreamCursor> cursor = parse_stream_cursor(given->empty() ? "0" : *given);
    if (!cursor) return refuse(call, tool, bad_cursor(*given));
    fields = output_since(*job, output.get(), *cursor, std::move(fields));
  } else if (output) {
    // A message has its bounds, so "everything" is what one can carry.
    const std::size_t most = budget.value() == 0 ? limits::kJobAnswerBytes : budget.value();
    const auto [for_out, for_err] = shared_budget(*output, most);
    fields["stdout"] = excerpt_of(*output, Stream::Stdout, for_out, id).text;
    fields["stderr"] = excerpt_of(*output, Stream::Stderr, for_err, id).text;
  }
  answer(call, tool, std::move(fields), output_markdown);
}

Json killed(const Job& job, const char* status) {
  Json fields = Json::object();
  fields["job_id"] = job.id;
  fields["status"] = status;
  fields["exit_code"] = exit_code_text(job);
  return fields;
}

void kill_job(const Call& call, const JobTool& tool) {
  JobRegistry& jobs = tool.parts.jobs;
  const std::string id = job_id_of(call);
  const std::optional<Job> job = jobs.find(id);
  if (!job) return refuse(call, tool, unknown_job(id));
  if (job->is_over()) return answer(call, tool, killed(*job, "already-finished"), fields_markdown);
  if (const Result<void> asked = jobs.cancel(id); !asked) return refuse(call, tool, asked.error());
  jobs.watch_end(id, [call, tool](const Job& ended) {
    answer(call, tool, killed(ended, "killed"), fields_markdown);
  });
}

void cleanup_jobs(const Call& call, const JobTool& tool) {
  const Arguments arguments(call->arguments());
  JobRegistry& jobs = tool.parts.jobs;
  if (auto opened = jobs.open(); !opened) return refuse(call, tool, opened.error());
  std::vector<std::string> over;
  std::vector<std::string> copies;
  for (const Job& job : jobs.list(JobFilter{std::nullopt, 0}).jobs) {
    if (!job.is_over()) {
      if (arguments.flag("only_finished", true)) continue;
      (void)jobs.cancel(job.id).ok();  // it stays listed until its process is gone
      continue;
    }
    over.push_back(job.id);
    const RunFacts facts = RunFacts::from_json(job.details);
    if (!facts.autosaved.empty()) copies.push_back(facts.autosaved);
  }
  int deleted = 0;
  if (arguments.flag("remove_inline", true)) {
    for (const std::string& name : copies) deleted += tool.parts.library.remove_autosaved(name);
  }
  Json fields = Json::object();
  fields["removed"] = jobs.remove(over);
  fields["remaining"] = jobs.list(JobFilter{std::nullopt, 1}).total;
  fields["inline_deleted"] = deleted;
  answer(call, tool, std::move(fields), fields_markdown);
}

// --- the tools of smart async --------------------------------------------------------------------

void job_status(const Call& call, const JobTool& tool) {
  JobRegistry& jobs = tool.parts.jobs;
  const std::string id = job_id_of(call);
  if (auto opened = jobs.open(); !opened) return refuse(call, tool, opened.error());
  const std::optional<Job> job = jobs.find(id);
  Json fields = Json::object();
  if (!job) {
    fields["error"] = fmt::format("Job {} not found", id);
    return answer(call, tool, std::move(fields), job_markdown);
  }
  const std::unique_ptr<JobOutput> output = jobs.output(id);
  fields["job"] = describe_job(*job, output.get(), tool.parts.output_budget);
  const bool incremental = Arguments(call->arguments()).flag("incremental", true);
  if (incremental && !job->is_over()) {
    StreamText read;
    if (output) {
      StreamCursor& cursor = tool.readers->of(id);
      read = read_since(*output, cursor, false);
      cursor = read.cursor;
    }
    fields["job"]["new_stdout"] = std::move(read.out);
    fields["job"]["new_stderr"] = std::move(read.err);
    fields["incremental"] = true;
  }
  answer(call, tool, std::move(fields), job_markdown);
}

std::string jobs_markdown(const std::string& title, const Json& page) {
  return fmt::format("## {}\n\n{}", title,
                     table({{"job", "id"},
                            {"label", "label"},
                            {"status", "status"},
                            {"created", "created_at"},
                            {"completed", "completed_at"},
                            {"progress", "progress"},
                            {"error", "error"}},
                           page["jobs"], page["total"].get<std::size_t>()));
}

void list_jobs(const Call& call, const JobTool& tool) {
  const Arguments arguments(call->arguments());
  JobRegistry& jobs = tool.parts.jobs;
  if (auto opened = jobs.open(); !opened) return refuse(call, tool, opened.error());
  JobFilter filter;
  if (const auto status = arguments.text("status_filter")) {
    filter.status = parse_job_status(*status);
  }
  filter.limit =
      static_cast<std::size_t>(std::max<std::int64_t>(0, arguments.integer("limit", 50)));
  const bool none = arguments.integer("limit", 50) <= 0;
  if (none) filter.limit = 1;  // for the total
  JobPage page = jobs.list(filter);
  if (none) page.jobs.clear();
  Json fields = Json::object();
  fields["jobs"] = Json::array();
  for (const Job& job : page.jobs) fields["jobs"].push_back(summarise_job(job));
  fields["total"] = page.total;
  fields["returned"] = page.jobs.size();
  answer(call, tool, std::move(fields), jobs_markdown);
}

void cancel_job(const Call& call, const JobTool& tool) {
  JobRegistry& jobs = tool.parts.jobs;
  if (auto opened = jobs.open(); !opened) return refuse(call, tool, opened.error());
  const std::string id = job_id_of(call);
  const std::optional<Job> job = jobs.find(id);
  Json fields = Json::object();
  if (!job) {
    fields["error"] = fmt::format("Job {} not found", id);
    return answer(call, tool, std::move(fields), fields_markdown);
  }
  const Result<void> cancelled = jobs.cancel(id);
  if (cancelled.ok()) {
    fields["job_id"] = id;
    fields["status"] = "cancelled";
    fields["message"] = fmt::format("Job {} has been cancelled", id);
  } else {
    fields["error"] = job->is_over() ? fmt::format("Job {} is not running (status: {})", id,
                                                   to_string(job->status))
                                     : cancelled.error().message;
    fields["job_id"] = id;
  }
  answer(call, tool, std::move(fields), fields_markdown);
}

void prune_jobs(const Call& call, const JobTool& tool) {
  const Arguments arguments(call->arguments());
  JobRegistry& jobs = tool.parts.jobs;
  if (auto opened = jobs.open(); !opened) return refuse(call, tool, opened.error());
  std::vector<JobStatus> statuses;
  if (!arguments.flag("keep_completed", true)) statuses.push_back(JobStatus::Completed);
  if (!arguments.flag("keep_failed", true)) {
    statuses.push_back(JobStatus::Failed);
    statuses.push_back(JobStatus::Cancelled);
  }
  const double hours = std::max(0.0, arguments.number("max_age_hours", 24));
  Json fields = Json::object();
  fields["removed"] = statuses.empty() ? 0 : jobs.prune(statuses, unix_now() - hours * 3600);
  fields["remaining"] = jobs.list(JobFilter{std::nullopt, 1}).total;
  answer(call, tool, std::move(fields), fields_markdown);
}

// --- how they are listed -------------------------------------------------------------------------

using Handler = void (*)(const Call&, const JobTool&);

struct Listing {
  const char* name;
  const char* title;
  const char* description;
  std::vector<std::string> aliases;
  Json input;
  Json output;
  Effect effect;
  Json meta;
  Handler handler;
};

Json texts_schema(const std::vector<const char*>& names) {
  std::vector<std::pair<const char*, Json>> members;
  members.reserve(names.size());
  for (const char* name : names) members.emplace_back(name, text_type());
  return object_of(members);
}

Json counts_schema(const std::vector<const char*>& names) {
  std::vector<std::pair<const char*, Json>> members;
  members.reserve(names.size());
  for (const char* name : names) members.emplace_back(name, type("integer"));
  return object_of(members);
}

Json by_id(bool extended) { return InputSchema(extended).text("job_id").required("job_id").take(); }

Json output_input(bool extended) {
  InputSchema schema(extended);
  schema.text("job_id").required("job_id");
  if (extended) {
    schema.text("cursor", "\"0\", then next_cursor: only what is new")
        .plain_integer("max_output_chars");
  }
  return schema.take();
}

Listing output_listing(bool extended) {
  return {"get_job_output",
          "Job output",
          "Output of a job so far.",
          {"py_get_job_output"},
          output_input(extended),
          object_of({{"status", text_type()},
                     {"stdout", text_type()},
                     {"stderr", text_type()},
                     {"exit_code", text_type()},
                     {"elapsed_seconds", text_type()},
                     {"next_cursor?", text_type()},
                     {"more?", type("boolean")}}),
          Effect::Reads,
          shown_by(kJobViewUri, tags({"jobs", "introspection"})),
          get_job_output};
}

std::vector<Listing> first_generation(bool extended) {
  const std::vector<const char*> members = {"job_id",        "running",         "exit_code",
                                            "pid",           "elapsed_seconds", "stream",
                                            "stdout_chunks", "stderr_chunks"};
  return {{"list_running_jobs",
           "Running jobs",
           "List jobs with pid and output counts.",
           {"py_list_running_jobs", "list_jobs"},
           InputSchema(extended).take(),
           wrapped_list(texts_schema(members)),
           Effect::Reads,
           tags({"jobs", "introspection"}),
           list_running_jobs},
          output_listing(extended),
          {"kill_job",
           "Kill job",
           "End a job's process tree.",
           {"py_kill_job"},
           by_id(extended),
           texts_schema({"job_id", "status", "exit_code"}),
           Effect::Destroys,
           tags({"jobs", "control"}),
           kill_job},
          {"cleanup_jobs",
           "Clean up jobs",
           "Forget finished jobs and autosaved scripts.",
           {"py_cleanup_jobs", "job_cleanup"},
           InputSchema(extended).flag("remove_inline", true).flag("only_finished", true).take(),
           counts_schema({"removed", "remaining", "inline_deleted"}),
           Effect::Destroys,
           tags({"jobs", "maintenance"}),
           cleanup_jobs}};
}

std::vector<Listing> smart_async(bool extended) {
  const Json not_found = object_of({{"error", text_type()}, {"job_id?", text_type()}});
  return {
      {"py_job_status",
       "Job status",
       "Status, progress, output and result of a job.",
       {},
       InputSchema(extended).text("job_id").required("job_id").flag("incremental", true).take(),
       one_of({object_of({{"job", job_schema()}, {"incremental?", type("boolean")}}), not_found}),
       Effect::Reads,
       shown_by(kJobViewUri, tags({"jobs", "async"})),
       job_status},
      {"py_list_jobs",
       "Jobs",
       "List jobs, newest first.",
       {},
       InputSchema(extended)
           .choice("status_filter", {"pending", "running", "completed", "failed", "cancelled"})
           .integer("limit", 50)
           .take(),
       object_of({{"jobs", list_of(job_schema())},
                  {"total", type("integer")},
                  {"returned", type("integer")}}),
       Effect::Reads,
       tags({"jobs", "async"}),
       list_jobs},
      {"py_cancel_job",
       "Cancel job",
       "Cancel a job.",
       {},
       by_id(extended),
       one_of({texts_schema({"job_id", "status", "message"}), not_found}),
       Effect::Destroys,
       tags({"jobs", "async"}),
       cancel_job},
      {"py_prune_jobs",
       "Prune jobs",
       "Forget old jobs not kept.",
       {},
       InputSchema(extended)
           .flag("keep_completed", true)
           .flag("keep_failed", true)
           .number("max_age_hours", 24)
           .take(),
       counts_schema({"removed", "remaining"}),
       Effect::Destroys,
       tags({"jobs", "async"}),
       prune_jobs}};
}

void add(mcp::ToolCatalog& catalog, Listing listing, const ExecutorParts& parts) {
  mcp::Tool tool;
  tool.name = listing.name;
  tool.title = listing.title;
  tool.description = listing.description;
  tool.aliases = std::move(listing.aliases);
  tool.input_schema = std::move(listing.input);
  tool.output_schema = std::move(listing.output);
  tool.annotations = hints(listing.effect);
  tool.meta = std::move(listing.meta);
  tool.null_is_absent = true;
  const JobTool job_tool{parts, {tool.name, tool.title}, std::make_shared<Readers>()};
  tool.handler = [handler = listing.handler, job_tool](const Call& call) {
    job_tool.parts.runs.tidy();
    handler(call, job_tool);
  };
  catalog.add(std::move(tool));
}

}  // namespace

void add_job_tools(mcp::ToolCatalog& catalog, const ExecutorParts& parts) {
  for (Listing& listing : first_generation(parts.extended)) add(catalog, std::move(listing), parts);
  for (Listing& listing : smart_async(parts.extended)) add(catalog, std::move(listing), parts);
}

}  // namespace pyember::host

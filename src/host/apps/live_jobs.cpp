#include "host/apps/live_jobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/iso_time.h"
#include "base/limits.h"
#include "host/loop/pool_work.h"
#include "host/runs/run_usage.h"
#include "host/tools/benchmark_curve.h"
#include "host/tools/job_answer.h"

namespace pyember::host {

using mcp::Json;

namespace {

// What is gathered on the loop, completed on the pool, and told on the loop.
struct Reading {
  std::string uri;
  Json state = Json::object();
  JobTraces traces;
  bool running = false;
  mcp::ReadCompletion done;
};

Json number_or_null(bool known, double value) { return known ? Json(value) : Json(nullptr); }

double elapsed_seconds(const Job& job) {
  const double begin = job.started_at > 0 ? job.started_at : job.created_at;
  const double end = job.is_over() && job.completed_at > 0 ? job.completed_at : unix_now();
  return std::max(0.0, end - begin);
}

// Of many runs each has an output of its own, which no cursor goes on in: the end of the one that
// is written now. Else what is new.
void add_output(Json& state, const Job& job, const JobOutput* output, const JobTraces& traces,
                StreamCursor since) {
  StreamText text;
  text.cursor = since;
  const bool many = !traces.runs.is_null();
  if (output != nullptr && many) {
    const auto tail = [&](Stream stream) {
      const std::uint64_t size = output->size(stream);
      return size > limits::kJobViewTailBytes ? size - limits::kJobViewTailBytes : 0;
    };
    since.out = tail(Stream::Stdout);
    since.err = tail(Stream::Stderr);
  }
  if (output != nullptr) text = read_since(*output, since, job.is_over());
  state["stdout"] = std::move(text.out);
  state["stderr"] = std::move(text.err);
  state["whole"] = many;
  state["cursor"] = many ? "0" : to_string(text.cursor);
  state["more"] = !many && text.more;
}

// What the kernel said of a run that has ended.
void add_end(Json& state, const Job& job) {
  const bool ended = job.end && job.is_over();
  state["exit_code"] = ended ? Json(job.end->exit_code) : Json(nullptr);
  state["cpu_seconds"] = number_or_null(ended, ended ? job.end->cpu_seconds : 0);
  state["peak_bytes"] =
      ended && job.end->peak_bytes > 0 ? Json(job.end->peak_bytes) : Json(nullptr);
  state["memory_bytes"] = nullptr;
}

// On the pool.
void measure(Reading& reading) {
  if (reading.running && !reading.traces.folder.empty()) {
    if (const std::optional<RunUsage> usage = usage_of_run(reading.traces.folder)) {
      reading.state["memory_bytes"] = usage->resident_bytes;
      reading.state["cpu_seconds"] = usage->cpu_seconds;
    }
  }
  Json samples = read_samples(reading.traces.samples);
  if (samples.is_array()) reading.state["samples"] = std::move(samples);
}

void tell(Reading& reading) {
  if (!reading.traces.runs.is_null()) reading.state["runs"] = std::move(reading.traces.runs);
  mcp::ResourceContent content;
  content.uri = std::move(reading.uri);
  content.mime_type = "application/json";
  content.data = mcp::to_json_text(reading.state);
  std::vector<mcp::ResourceContent> contents;
  contents.push_back(std::move(content));
  reading.done(std::move(contents));
}

}  // namespace

std::optional<JobViewAddress> parse_job_view_uri(std::string_view uri) {
  if (!uri.starts_with(LiveJobs::kScheme)) return std::nullopt;
  uri.remove_prefix(LiveJobs::kScheme.size());
  const std::size_t question = uri.find('?');
  JobViewAddress address{std::string(uri.substr(0, question)), {}};
  if (address.id.empty()) return std::nullopt;
  if (question == std::string_view::npos) return address;
  const std::string_view query = uri.substr(question + 1);
  if (!query.starts_with("since=")) return std::nullopt;
  const auto since = parse_stream_cursor(query.substr(6));
  if (!since) return std::nullopt;
  address.since = *since;
  return address;
}

std::vector<mcp::ResourceTemplate> LiveJobs::templates() {
  mcp::ResourceTemplate state;
  state.uri_template = "job-view://{job_id}{?since}";
  state.name = "job-view";
  state.title = "A job, for views";
  state.description =
      "What pyember's views of a job show, as JSON: the job, output since a cursor, memory and CPU "
      "time now.";
  state.mime_type = "application/json";
  return {state};
}

void LiveJobs::read(std::string_view uri, mcp::ReadCompletion done) {
  const std::optional<JobViewAddress> address = parse_job_view_uri(uri);
  const std::optional<Job> job = address ? jobs_.find(address->id) : std::nullopt;
  if (!job) {
    return done(Error{ErrorCode::NotFound,
                      fmt::format("There is no job at {}. Its address is job-view://JOB_ID, or "
                                  "job-view://JOB_ID?since=CURSOR with the cursor of the read "
                                  "before; py_list_jobs shows known jobs.",
                                  uri.substr(0, 200))});
  }
  const auto reading = std::make_shared<Reading>();  // by both parts of the pool's work
  reading->uri = std::string(uri);
  reading->traces = jobs_.traces(address->id);
  reading->running = !job->is_over();
  reading->done = std::move(done);
  Json& state = reading->state;
  state["job"] = describe_job(*job, nullptr, 0);
  state["running"] = reading->running;
  state["elapsed_seconds"] = elapsed_seconds(*job);
  add_end(state, *job);
  add_output(state, *job, jobs_.output(address->id).get(), reading->traces, address->since);
  run_in_pool(
      loop_, [reading] { measure(*reading); }, [reading] { tell(*reading); });
}

}  // namespace pyember::host

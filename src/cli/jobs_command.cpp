#include "cli/jobs_command.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/iso_time.h"
#include "base/limits.h"
#include "cli/terminal.h"
#include "host/loop/uv_handle.h"
#include "host/tools/job_answer.h"

namespace pyember::cli {

using host::Job;
using host::JobStatus;
using host::Stream;

namespace {

std::string pretty(const mcp::Json& json) {
  return json.dump(2, ' ', false, mcp::Json::error_handler_t::replace);
}

Style style_of(JobStatus status) {
  switch (status) {
    case JobStatus::Completed:
      return Style::Green;
    case JobStatus::Failed:
      return Style::Red;
    case JobStatus::Cancelled:
      return Style::Yellow;
    case JobStatus::Running:
      return Style::Cyan;
    case JobStatus::Pending:
      break;
  }
  return Style::Plain;
}

std::string took(const Job& job) {
  if (job.started_at == 0) return "";
  const double end = job.completed_at > 0 ? job.completed_at : unix_now();
  return plain_duration(std::max(0.0, end - job.started_at));
}

class Jobs {
 public:
  explicit Jobs(Workplace& place) : place_(place), jobs_(place.jobs()) {}

  int list(const JobsCommand& command);
  int show(const JobsCommand& command);
  int tail(const JobsCommand& command);
  int cancel(const JobsCommand& command);
  int prune(const JobsCommand& command);

 private:
  std::optional<Job> find(const std::string& id);
  bool print_from(const host::JobOutput& output, Stream stream, std::uint64_t& at);
  int complain(const std::string& message);

  Workplace& place_;
  host::JobRegistry& jobs_;
  const Terminal out_ = Terminal::out();
  const Terminal err_ = Terminal::err();
};

int Jobs::complain(const std::string& message) {
  err_.write_line(err_.styled(Style::Red, "pyember: ") + message);
  return 1;
}

// The job with this id, or the only one whose id begins so.
std::optional<Job> Jobs::find(const std::string& id) {
  if (std::optional<Job> job = jobs_.find(id)) return job;
  std::optional<Job> found;
  host::JobFilter everything;
  everything.limit = 0;
  for (Job& job : jobs_.list(everything).jobs) {
    if (id.empty() || !job.id.starts_with(id)) continue;
    if (found) {
      complain(
          fmt::format("More than one job begins with '{}': {} and {} among them. Write more "
                      "of the id.",
                      id, found->id, job.id));
      return std::nullopt;
    }
    found = std::move(job);
  }
  if (!found) {
    complain(fmt::format("There is no job '{}'. pyember jobs lists the ones there are.", id));
  }
  return found;
}

int Jobs::list(const JobsCommand& command) {
  host::JobFilter filter;
  filter.limit = command.limit;
  if (!command.status.empty()) filter.status = host::parse_job_status(command.status);
  const host::JobPage page = jobs_.list(filter);
  if (command.json) {
    mcp::Json jobs = mcp::Json::array();
    for (const Job& job : page.jobs) jobs.push_back(host::summarise_job(job));
    const mcp::Json whole{{"jobs", std::move(jobs)}, {"total", page.total}};
    out_.write_line(pretty(whole));
    return 0;
  }
  if (page.jobs.empty()) {
    out_.write_line("no jobs");
    return 0;
  }
  constexpr std::size_t kLabelWidth = 28;
  out_.write_line(out_.styled(Style::Bold, fmt::format("{:<36}  {:<9}  {:<19}  {:>12}  {}", "id",
                                                       "status", "created", "time", "label")));
  for (const Job& job : page.jobs) {
    const std::string created = iso_time(job.created_at).substr(0, 19);
    out_.write_line(
        fmt::format("{:<36}  {}  {}  {:>12}  {}", job.id,
                    out_.styled(style_of(job.status), padded(host::to_string(job.status), 9)),
                    created, took(job), shortened(job.label, kLabelWidth)));
  }
  if (page.total > page.jobs.size()) {
    out_.write_line(
        fmt::format("{} of {} shown; --limit 0 shows all", page.jobs.size(), page.total));
  }
  return 0;
}

int Jobs::show(const JobsCommand& command) {
  int exit_code = 0;
  for (const std::string& id : command.ids) {
    const std::optional<Job> job = find(id);
    if (!job) {
      exit_code = 1;
      continue;
    }
    const std::unique_ptr<host::JobOutput> output = jobs_.output(job->id);
    out_.write_line(
        pretty(host::describe_job(*job, output.get(), limits::kOutputBudgetCharacters)));
  }
  return exit_code;
}

bool Jobs::print_from(const host::JobOutput& output, Stream stream, std::uint64_t& at) {
  while (true) {
    const std::string text = output.read(stream, at, limits::kJobReadBytes);
    if (text.empty()) return true;
    at += text.size();
    if (!(stream == Stream::Stdout ? out_ : err_).write(text)) return false;
  }
}

// Where the last `lines` lines begin.
std::uint64_t start_of_last(const host::JobOutput& output, Stream stream, std::size_t lines) {
  std::uint64_t end = output.size(stream);
  if (lines == 0) return 0;
  std::size_t seen = 0;
  bool at_end = true;
  while (end > 0) {
    const std::uint64_t begin = end > limits::kReadChunkBytes ? end - limits::kReadChunkBytes : 0;
    const std::string chunk = output.read(stream, begin, static_cast<std::size_t>(end - begin));
    if (chunk.empty()) return 0;
    for (std::size_t i = chunk.size(); i > 0; --i) {
      const bool is_line_end = chunk[i - 1] == '\n';
      if (is_line_end && !at_end && ++seen == lines) return begin + i;
      at_end = false;
    }
    end = begin;
  }
  return 0;
}

int Jobs::tail(const JobsCommand& command) {
  const std::optional<Job> job = find(command.ids.front());
  if (!job) return 1;
  std::vector<Stream> streams{Stream::Stdout, Stream::Stderr};
  if (command.only_stderr) streams = {Stream::Stderr};
  const std::unique_ptr<host::JobOutput> output = jobs_.output(job->id);
  if (!output) return complain(fmt::format("Job {} has no output that could be read.", job->id));
  std::uint64_t at[2] = {0, 0};
  for (const Stream stream : streams) {
    std::uint64_t& place = at[stream == Stream::Stdout ? 0 : 1];
    place = start_of_last(*output, stream, command.lines);
    if (!print_from(*output, stream, place)) return 0;
  }
  if (!command.follow) return 0;
  bool over = job->is_over();
  host::Timer look(place_.loop(), [&] {
    bool read = true;
    for (const Stream stream : streams) {
      read = read && print_from(*output, stream, at[stream == Stream::Stdout ? 0 : 1]);
    }
    if (over || !read) place_.loop().stop();
  });
  jobs_.watch_end(job->id, [&](const Job&) { over = true; });
  look.start(limits::kShownOutputPeriod, limits::kShownOutputPeriod);
  place_.run();
  return 0;
}

int Jobs::cancel(const JobsCommand& command) {
  int exit_code = 0;
  for (const std::string& id : command.ids) {
    const std::optional<Job> job = find(id);
    if (!job) {
      exit_code = 1;
      continue;
    }
    const Result<void> cancelled = jobs_.cancel(job->id);
    if (!cancelled) {
      exit_code = complain(cancelled.error().message);
      continue;
    }
    bool gone = false;
    jobs_.watch_end(job->id, [&](const Job&) {
      gone = true;
      place_.loop().stop();
    });
    if (!gone) place_.run(limits::kRunnerEndGrace);
    out_.write_line(fmt::format("{} {}", job->id, gone ? "cancelled" : "is being cancelled"));
  }
  return exit_code;
}

int Jobs::prune(const JobsCommand& command) {
  std::vector<JobStatus> statuses{JobStatus::Completed};
  if (!command.keep_failed) {
    statuses.insert(statuses.end(), {JobStatus::Failed, JobStatus::Cancelled});
  }
  const double cutoff = unix_now() - command.older_than_hours * 3600;
  const std::size_t removed = jobs_.prune(statuses, cutoff);
  out_.write_line(fmt::format("{} removed", removed));
  return 0;
}

}  // namespace

int manage_jobs(const JobsCommand& command) {
  // Never destroyed: the process ends with _exit.
  auto& place = *new Workplace();
  auto& jobs = *new Jobs(place);
  if (place.has_jobs()) {
    if (const Result<void> opened = place.jobs().open(); !opened) {
      Terminal::err().write_line("pyember: " + opened.error().message);
      return 2;
    }
  } else if (command.action == JobsCommand::Action::List) {
    Terminal::out().write_line(command.json ? R"({"jobs": [], "total": 0})" : "no jobs");
    return 0;
  }
  int exit_code = 0;
  switch (command.action) {
    case JobsCommand::Action::List:
      exit_code = jobs.list(command);
      break;
    case JobsCommand::Action::Show:
      exit_code = jobs.show(command);
      break;
    case JobsCommand::Action::Tail:
      exit_code = jobs.tail(command);
      break;
    case JobsCommand::Action::Cancel:
      exit_code = jobs.cancel(command);
      break;
    case JobsCommand::Action::Prune:
      exit_code = jobs.prune(command);
      break;
  }
  place.finish();
  return exit_code;
}

}  // namespace pyember::cli

#include "runner/exit_record.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <string_view>

#include "runner/clock.h"
#include "runner/json_object.h"

namespace pyember::runner {
namespace {

constexpr int kNotStarted = 127;  // what a shell says of a program it can't start

struct Figures {
  int exit_code = kNotStarted;
  std::string_view limit;
  std::string kept_by = "null";
  std::uint64_t peak_bytes = 0;
  std::string_view peak_source = "largest process";
};

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

int exit_code(int status, bool enclosed) {
  if (WIFSIGNALED(status)) return -WTERMSIG(status);
  const int code = WEXITSTATUS(status);
  return enclosed && code > 128 && code < 128 + NSIG ? 128 - code : code;
}

// By the signal itself, or as a shell or uv passes on what befell the program below it.
bool ended_by(int code, int signal) { return code == -signal || code == 128 + signal; }

// Which limit ended the run, as far as it can be known: a program that was told "no" by the kernel
// and gave up in its own way leaves no trace of it.
std::string_view ending_limit(const JobFolder& folder, const Options& options,
                              const Confinement& confinement, const Ending& ending, int code) {
  if (code == 0 || ending.timed_out || ending.cancelled) return {};
  if (!ending.limit.empty()) return ending.limit;
  if (confinement.memory() && confinement.memory()->hits() > 0) return "memory";
  const double cpu = seconds(ending.usage.ru_utime) + seconds(ending.usage.ru_stime);
  if (options.cpu_seconds &&
      (ended_by(code, SIGXCPU) ||
       (ended_by(code, SIGKILL) && cpu >= static_cast<double>(*options.cpu_seconds)))) {
    return "cpu";
  }
  // Python ignores SIGXFSZ and raises OSError instead; output is a file like others.
  if (options.file_size_bytes &&
      (ended_by(code, SIGXFSZ) ||
       std::max(folder.size_of("stdout"), folder.size_of("stderr")) >= *options.file_size_bytes)) {
    return "file_size";
  }
  if (confinement.processes() && confinement.processes()->hits() > 0) return "processes";
  return {};
}

bool publish(const JobFolder& folder, const Figures& figures, const Ending& ending,
             const Failure& failure) {
  const std::int64_t wall = std::max<std::int64_t>(0, ending.ended_ns - ending.started_ns);
  JsonObject record;
  record.add("exit_code", figures.exit_code)
      .add_flag("timed_out", ending.timed_out)
      .add_flag("cancelled", ending.cancelled)
      .add_or_null("limit", figures.limit)
      .add_or_null("error", failure.message)
      .add_or_null("error_kind", failure.kind)
      .add_seconds("started_at", to_seconds(ending.started_at_ns))
      .add_seconds("ended_at", to_seconds(ending.started_at_ns + wall))
      .add_seconds("wall_seconds", to_seconds(wall))
      .add_seconds("user_seconds", seconds(ending.usage.ru_utime))
      .add_seconds("system_seconds", seconds(ending.usage.ru_stime))
      .add_seconds("queued_seconds", to_seconds(ending.queued_ns))
      .add("peak_bytes", static_cast<std::int64_t>(figures.peak_bytes))
      .add("peak_source", figures.peak_source)
      .add("largest_process_bytes", static_cast<std::int64_t>(ending.largest_process_bytes))
      .add_raw("kept_by", figures.kept_by);
  return folder.publish_exit(record.line());
}

}  // namespace

bool publish_failure(const JobFolder& folder, const Failure& failure) {
  Ending never;
  never.started_at_ns = wall_clock_ns();
  return publish(folder, {}, never, failure);
}

bool publish_lost(const JobFolder& folder) {
  if (folder.size_of("exit") > 0) return true;
  Figures figures;
  figures.exit_code = -SIGKILL;
  Ending unknown;
  unknown.started_at_ns = wall_clock_ns();
  return publish(
      folder, figures, unknown,
      {"lost",
       "the run was killed because its runner was: something sent it SIGKILL, most often "
       "for lack of memory. The output up to then is kept; start the run again."});
}

bool publish_ending(const JobFolder& folder, const Options& options, const Confinement& confinement,
                    const Child& child, const Ending& ending) {
  if (const Failure failure = child.failure()) return publish_failure(folder, failure);
  Figures figures;
  figures.exit_code = exit_code(ending.status, options.enclosure_words > 0);
  figures.limit = ending_limit(folder, options, confinement, ending, figures.exit_code);
  figures.kept_by = confinement.kept_by();
  figures.peak_bytes = ending.largest_process_bytes;
  if (confinement.memory() && confinement.memory()->peak_bytes() > 0) {
    figures.peak_bytes = confinement.memory()->peak_bytes();
    figures.peak_source = "cgroup";
  }
  return publish(folder, figures, ending, Failure{});
}

}  // namespace pyember::runner

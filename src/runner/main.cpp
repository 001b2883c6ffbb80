// pyember-runner: owns one run and records how it ended. docs/runner.md says everything. With --keep
// it keeps an MCP server behind the server instead (upstream_keeper.h).

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "runner/child.h"
#include "runner/clock.h"
#include "runner/confinement.h"
#include "runner/enclosure.h"
#include "runner/exit_record.h"
#include "runner/identity.h"
#include "runner/job_folder.h"
#include "runner/json_object.h"
#include "runner/keeper.h"
#include "runner/options.h"
#include "runner/run.h"
#include "runner/upstream_keeper.h"

namespace pyember::runner {
namespace {

enum ExitCode { Recorded = 0, Usage = 2, NoFolder = 3, Locked = 4, NotRecorded = 5 };

int refuse(ExitCode code, const std::string& message) {
  const std::string line = "pyember-runner: " + message + "\n";
  if (write(2, line.data(), line.size()) < 0) return code;
  return code;
}

void close_between(int first, int last) {
  if (first > last) return;
  if (syscall(SYS_close_range, static_cast<unsigned>(first), static_cast<unsigned>(last), 0u) ==
      0) {
    return;
  }
  const int end = std::min(last, static_cast<int>(sysconf(_SC_OPEN_MAX)) - 1);
  for (int fd = first; fd <= end; ++fd) close(fd);
}

// What the server had open is none of the program's business, but for what it is to get.
void drop_descriptors(const std::vector<int>& passed) {
  int first = 3;
  for (const int each : passed) {
    close_between(first, each - 1);
    first = each + 1;
  }
  close_between(first, std::numeric_limits<int>::max());
}

void go_silent() {
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; ++fd) dup2(nothing, fd);
  if (nothing > 2) close(nothing);
}

void prepare_signals() {
  for (const int ignored : {SIGHUP, SIGPIPE, SIGQUIT, SIGXFSZ}) signal(ignored, SIG_IGN);
  for (const int awaited : {SIGCHLD, SIGTERM, SIGINT}) signal(awaited, SIG_DFL);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGCHLD);
  sigaddset(&blocked, SIGTERM);
  sigaddset(&blocked, SIGINT);
  sigprocmask(SIG_SETMASK, &blocked, nullptr);
}

JsonObject runner_facts() {
  JsonObject facts;
  facts.add("pid", static_cast<std::int64_t>(getpid()))
      .add("start_ticks", start_ticks())
      .add("boot_id", boot_id());
  return facts;
}

// The run itself, in the process that `keep` makes for it.
int own(const Options& options, const JobFolder& folder, Confinement& confinement,
        const Enclosure& enclosure, const JsonObject& facts) {
  Child child(options, folder, confinement);
  if (const Failure failure = child.start(facts)) {
    return publish_failure(folder, failure) ? ExitCode::Recorded : ExitCode::NotRecorded;
  }
  Ending ending = Supervision(options, folder, child, enclosure).wait_for_end();
  enclosure.account(ending);
  if (ending.timed_out) folder.append_line_to_stderr("[TIMEOUT]");
  return publish_ending(folder, options, confinement, child, ending) ? ExitCode::Recorded
                                                                     : ExitCode::NotRecorded;
}

int run(Options& options, const JobFolder& folder) {
  const Enclosure enclosure(options);
  Confinement confinement(options);  // here, so that its groups are removed whatever happens below
  if (const Failure failure = confinement.choose()) {
    return publish_failure(folder, failure) ? ExitCode::Recorded : ExitCode::NotRecorded;
  }
  const JsonObject facts = runner_facts();
  const KeptEnd end = keep(!options.is_runtime, [&] { return own(options, folder, confinement, enclosure, facts); });
  if (!end.killed) return end.exit_code;
  enclosure.clear_away();
  return publish_lost(folder) ? ExitCode::Recorded : ExitCode::NotRecorded;
}

int start(char** argv) {
  Options options;
  if (const auto mistake = parse(argv, options)) {
    return refuse(ExitCode::Usage, *mistake +
                                       ". Usage: pyember-runner --dir JOB [options] -- PROGRAM "
                                       "[ARGUMENT...]; docs/runner.md lists the options.");
  }
  drop_descriptors(options.passed);
  setsid();
  if (!options.is_runtime) prctl(PR_SET_CHILD_SUBREAPER, 1);
  prepare_signals();
  JobFolder folder;
  switch (folder.open(options.directory)) {
    case JobFolder::Opened::Yes:
      break;
    case JobFolder::Opened::Locked:
      return refuse(ExitCode::Locked,
                    "the job's folder " + options.directory +
                        " belongs to another runner. Give every run a folder of its own.");
    case JobFolder::Opened::Missing:
    case JobFolder::Opened::Unwritable:
      return refuse(ExitCode::NoFolder,
                    "the job's folder " + options.directory + " can't be used: " + reason(errno) +
                        ". Make it, with room to write, before the runner starts.");
  }
  go_silent();
  return run(options, folder);
}

}  // namespace
}  // namespace pyember::runner

int main(int, char** argv) {
  if (pyember::runner::asks_for_upstream_keeper(argv)) _exit(pyember::runner::keep_upstream(argv));
  _exit(pyember::runner::start(argv));
}

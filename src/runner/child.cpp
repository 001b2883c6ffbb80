#include "runner/child.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "runner/clock.h"
#include "runner/json_object.h"

namespace pyember::runner {

// What the child did last. `Done`: it is about to exec, or is the program.
enum class Child::Step : int { None, Output, Placing, Record, Network, Directory, Limits, Program };

struct Child::Report {
  std::int64_t started_ns;
  std::int64_t started_at_ns;
  Step failed;
  int error;
};

std::string reason(int error) { return std::strerror(error); }

namespace {

// fork(), into namespaces of its own. glibc has no call for it; this process has one thread, so
// there is nothing of glibc's to set right in the child.
pid_t fork_into(unsigned long namespaces) {
  if (namespaces == 0) return fork();
  return static_cast<pid_t>(syscall(SYS_clone, namespaces | SIGCHLD, nullptr, nullptr, nullptr, 0));
}

// Everything as a program expects it: the server ignores SIGPIPE, and we block some.
void reset_signals() {
  struct sigaction as_usual {};
  as_usual.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &as_usual, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

Child::Child(const Options& options, const JobFolder& folder, Confinement& confinement)
    : options_(options), folder_(folder), confinement_(confinement) {
  void* const shared =
      mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) abort();
  report_ = static_cast<Report*>(shared);
}

Failure Child::start(const JsonObject& runner_facts) {
  int error = 0;
  pid_ = fork_once(runner_facts, error);
  if (pid_ < 0 && confinement_.namespaces() != 0) {
    if (Failure failure = confinement_.do_without_namespaces(error)) return failure;
    *report_ = {};
    pid_ = fork_once(runner_facts, error);
  }
  if (pid_ >= 0) return {};
  return {"internal", "no process could be made for the program: " + reason(error) +
                          ". End some processes of this user or of the machine, then try again."};
}

pid_t Child::fork_once(const JsonObject& runner_facts, int& error) {
  int gate[2] = {-1, -1};
  if (confinement_.needs_placing() && pipe2(gate, O_CLOEXEC) != 0) {
    error = errno;
    return -1;
  }
  UniqueFd wait_end(gate[0]);
  const UniqueFd open_end(gate[1]);
  const pid_t runner = getpid();
  const pid_t child = fork_into(confinement_.namespaces());
  if (child == 0) {
    if (gate[1] >= 0) close(gate[1]);
    become_program(runner, gate[0], runner_facts);
  }
  error = errno;
  if (child < 0 || !open_end) return child;
  if (confinement_.place(child) && write(open_end.get(), "", 1) == 1) return child;
  error = errno;
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return -1;
}

void Child::become_program(pid_t runner, int gate, const JsonObject& runner_facts) {
  prepare(runner, gate, runner_facts);
  report_->started_at_ns = wall_clock_ns();
  report_->started_ns = monotonic_ns();
  execute();
  give_up(Step::Program, errno);
}

void Child::prepare(pid_t runner, int gate, const JsonObject& runner_facts) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != runner) _exit(127);  // it died before we asked to follow
  // A group of its own, so that a program which signals its group does not hit us. Not a session: a
  // new one costs a turn in the scheduler's queue (autogroups), and the runner has one already.
  setpgid(0, 0);
  char go = 0;
  if (gate >= 0 && read(gate, &go, 1) != 1) give_up(Step::Placing, errno);
  const int out = folder_.open_output("stdout");
  const int err = folder_.open_output("stderr");
  if (out < 0 || err < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) give_up(Step::Output, errno);
  close(out);
  close(err);
  JsonObject record = runner_facts;
  record.add("child", static_cast<std::int64_t>(getpid()))
      .add_seconds("started_at", to_seconds(wall_clock_ns()));
  if (!folder_.publish_runner(record.line())) give_up(Step::Record, errno);
  if (!options_.working_directory.empty() && chdir(options_.working_directory.c_str()) != 0) {
    give_up(Step::Directory, errno);
  }
  reset_signals();
  if (!confinement_.set_limits()) give_up(Step::Limits, errno);
  if (!confinement_.enter_network()) give_up(Step::Network, errno);
}

// Like execvp, but never by way of a shell: a file the kernel can't execute is an error.
void Child::execute() {
  const std::string_view program = options_.command[0];
  const char* const path = std::getenv("PATH");
  if (program.find('/') != std::string_view::npos || path == nullptr) {
    execve(options_.command[0], options_.command, environ);
    return;
  }
  int worth_telling = ENOENT;
  std::string_view rest = path;
  for (bool more = true; more;) {
    const auto end = rest.find(':');
    more = end != std::string_view::npos;
    const std::string folder(rest.substr(0, end));
    rest.remove_prefix(more ? end + 1 : rest.size());
    const std::string file = (folder.empty() ? "." : folder) + "/" + std::string(program);
    execve(file.c_str(), options_.command, environ);
    if (errno != ENOENT && errno != ENOTDIR) worth_telling = errno;
  }
  errno = worth_telling;
}

void Child::give_up(Step step, int error) {
  report_->failed = step;
  report_->error = error;
  _exit(127);
}

Failure Child::failure() const {
  const std::string why = reason(report_->error);
  const std::string program = options_.command[0];
  switch (report_->failed) {
    case Step::None:
      return {};
    case Step::Output:
      return {"internal", "the files for the output can't be opened in the job's folder: " + why +
                              ". Check the folder's rights and the free space on its disk."};
    case Step::Placing:
      return {"internal", "the program's process could not be confined: " + why +
                              ". Try again, or leave the limits out."};
    case Step::Record:
      return {"internal", "the run can't be recorded in the job's folder: " + why +
                              ". Check the folder's rights and the free space on its disk."};
    case Step::Network:
      return {"network",
              "the network can't be closed for a program here: the kernel refuses both a "
              "network namespace and a filter of sockets (" +
                  why + "). Leave no_network out, or run the server where it is allowed."};
    case Step::Directory:
      return {"cwd", "the working directory " + options_.working_directory + " can't be entered: " +
                         why + ". Name a directory that exists and may be entered."};
    case Step::Limits:
      return {"limits",
              "the kernel refused a limit: " + why + ". Choose another one or leave it out."};
    case Step::Program:
      break;
  }
  if (report_->error == E2BIG) {
    return {"internal", "the program " + program +
                            " can't be started: its arguments and environment "
                            "are longer than the kernel takes. Pass long texts in a file."};
  }
  return {"not_found", "the program " + program + " can't be executed: " + why +
                           ". Give the path of an executable file; of a script, check also that "
                           "the interpreter in its first line exists."};
}

std::int64_t Child::started_ns() const { return report_->started_ns; }
std::int64_t Child::started_at_ns() const { return report_->started_at_ns; }

}  // namespace pyember::runner

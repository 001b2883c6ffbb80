#include "host/boundaries/trial.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/limits.h"
#include "base/unique_fd.h"

namespace pyember::host {

namespace {

using Clock = std::chrono::steady_clock;

// All that `pipe` says until its last writer is gone; at the deadline what there is by then.
std::string read_until_end(int pipe) {
  std::string text;
  const auto give_up = Clock::now() + limits::kSandboxProbeDeadline;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(give_up - Clock::now()).count();
    pollfd readable{pipe, POLLIN, 0};
    const int ready = poll(&readable, 1, static_cast<int>(std::max<long long>(left, 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return text;
    char block[1024];
    const ssize_t got = read(pipe, block, sizeof block);
    if (got <= 0) return text;
    if (text.size() < limits::kSandboxProbeBytes) text.append(block, static_cast<std::size_t>(got));
  }
}

std::string in_one_line(std::string said) {
  while (!said.empty() && said.back() == '\n') said.pop_back();
  std::replace(said.begin(), said.end(), '\n', ';');
  return said.empty() ? "it ended without a word" : said;
}

}  // namespace

std::string try_out(SandboxCommand command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::strerror(errno);
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  std::vector<ChildDescriptor> descriptors = {{0, -1, O_RDONLY}, {1, -1, O_WRONLY}, {2, ends[1]}};
  descriptors.insert(descriptors.end(), command.descriptors.begin(), command.descriptors.end());
  pid_t pid = 0;
  if (const int failed = spawn_on_its_own(std::move(command.arguments),
                                          std::move(command.environment), descriptors, pid)) {
    return std::strerror(failed);
  }
  writing.reset();
  std::string said = read_until_end(reading.get());
  kill(pid, SIGKILL);  // nothing is left to say, or it hangs
  int status = 0;
  pid_t reaped = 0;
  do reaped = waitpid(pid, &status, 0);
  while (reaped < 0 && errno == EINTR);
  // A session's waitpid(-1) may have been first; then what it said has to tell.
  if (reaped < 0 ? said.empty() : WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return in_one_line(std::move(said));
}

}  // namespace pyember::host

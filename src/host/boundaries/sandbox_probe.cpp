// sandbox_available: whether a sandbox can be had, and why not.

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include "base/limits.h"
#include "base/small_file.h"
#include "base/unique_fd.h"
#include "host/boundaries/bubblewrap.h"

namespace pyember::host {

namespace {

using Clock = std::chrono::steady_clock;

bool holds(const char* setting, char value) {
  const std::string text = read_small_file(setting, 32);
  return !text.empty() && text[0] == value && (text.size() == 1 || text[1] == '\n');
}

// What keeps user namespaces from ordinary users, and the command that gives them back.
std::string remedy() {
  std::string commands;
  const auto add = [&](const char* command) {
    commands.append(commands.empty() ? "" : " and ").append("`sysctl -w ").append(command) += '`';
  };
  if (holds("/proc/sys/kernel/unprivileged_userns_clone", '0')) {
    add("kernel.unprivileged_userns_clone=1");
  }
  if (holds("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1')) {
    add("kernel.apparmor_restrict_unprivileged_userns=0");
  }
  if (holds("/proc/sys/user/max_user_namespaces", '0')) add("user.max_user_namespaces=15000");
  if (!commands.empty()) {
    return fmt::format(
        "User namespaces are switched off here; as root, {} allows them (a file in /etc/sysctl.d "
        "keeps it so)",
        commands);
  }
  return "Inside a container its own confinement is in the way: start that one with "
         "--security-opt seccomp=unconfined and with an unmasked /proc (podman: --security-opt "
         "unmask=ALL; docker: --security-opt systempaths=unconfined), or run the server outside";
}

Error refused(std::string said) {
  while (!said.empty() && said.back() == '\n') said.pop_back();
  std::replace(said.begin(), said.end(), '\n', ';');
  return {ErrorCode::Unavailable,
          fmt::format("The sandbox can't be used here: starting one failed ({}). {}, or use "
                      "another isolation.",
                      said.empty() ? "without a word" : said, remedy())};
}

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

Result<void> try_one() {
  auto command = sandbox_command(SandboxPlan{}, {kEnterInSandbox, "--version"});
  if (!command) return command.error();
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return refused(std::strerror(errno));
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  std::vector<ChildDescriptor> descriptors = {{0, -1, O_RDONLY}, {1, -1, O_WRONLY}, {2, ends[1]}};
  const auto& more = command.value().descriptors;
  descriptors.insert(descriptors.end(), more.begin(), more.end());
  pid_t pid = 0;
  if (const int failed = spawn_on_its_own(command.value().arguments, command.value().environment,
                                          descriptors, pid)) {
    return refused(std::strerror(failed));
  }
  writing.reset();
  const std::string said = read_until_end(reading.get());
  kill(pid, SIGKILL);  // nothing is left to say, or it hangs
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? Result<void>{} : refused(said);
}

}  // namespace

Result<void> sandbox_available() {
  static std::mutex mutex;
  static bool available = false;
  const std::lock_guard lock(mutex);
  if (available) return {};
  auto found = try_one();
  available = found.ok();
  return found;
}

}  // namespace pyember::host

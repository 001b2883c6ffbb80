#include "supervisor/leftovers.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace pyember::supervisor {

namespace {

constexpr int kRounds = 100;  // a chain of processes shows its next link when one has died
constexpr useconds_t kPauseMicroseconds = 2000;
constexpr std::string_view kRunnerName = "pyember-runner";

std::string read_file(const std::string& path) {
  std::string text;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  char chunk[4096];
  for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) > 0;)
    text.append(chunk, static_cast<std::size_t>(n));
  close(fd);
  return text;
}

std::vector<pid_t> children() {
  std::vector<pid_t> found;
  const std::string text = read_file(fmt::format("/proc/self/task/{}/children", getpid()));
  for (const char* next = text.c_str(); *next != '\0';) {
    char* end = nullptr;
    const long pid = std::strtol(next, &end, 10);
    if (end == next) break;
    found.push_back(static_cast<pid_t>(pid));
    next = *end == ' ' ? end + 1 : end;
  }
  return found;
}

bool is_runner(pid_t pid) {
  const std::string name = read_file(fmt::format("/proc/{}/comm", pid));
  return std::string_view(name).substr(0, name.find('\n')) == kRunnerName;
}

}  // namespace

void adopt_orphans() { prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

void kill_leftovers(pid_t server) {
  for (int round = 0; round < kRounds; ++round) {
    bool found = false;
    for (const pid_t each : children()) {
      if (each == server || is_runner(each)) continue;
      kill(each, SIGKILL);
      waitpid(each, nullptr, WNOHANG);
      found = true;  // and it may leave us children of its own
    }
    if (!found) return;
    usleep(kPauseMicroseconds);
  }
}

}  // namespace pyember::supervisor

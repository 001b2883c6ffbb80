#include "host/runs/process_identity.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <set>
#include <string_view>
#include <vector>

namespace pyember::host {

namespace {

// Descendants are looked for again until there are none: a process may fork while it is looked at.
constexpr int kKillRounds = 20;

std::string read_small_file(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  char buffer[1024];
  const ssize_t n = read(fd, buffer, sizeof buffer);
  close(fd);
  return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : std::string();
}

struct ProcessFacts {
  char state = '?';
  pid_t parent = 0;
  std::uint64_t start_ticks = 0;
};

// The fields of /proc/PID/stat after the name, which may hold spaces and brackets.
std::optional<ProcessFacts> facts_of(pid_t pid) {
  const std::string text = read_small_file(("/proc/" + std::to_string(pid) + "/stat").c_str());
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos || name_end + 2 >= text.size()) return std::nullopt;
  std::string_view rest = std::string_view(text).substr(name_end + 2);
  ProcessFacts facts;
  facts.state = rest[0];
  for (int field = 3; !rest.empty(); ++field) {
    const std::size_t space = rest.find(' ');
    const std::string_view word = rest.substr(0, space);
    if (field == 4) std::from_chars(word.data(), word.data() + word.size(), facts.parent);
    if (field == 22) {
      std::from_chars(word.data(), word.data() + word.size(), facts.start_ticks);
      return facts;
    }
    if (space == std::string_view::npos) break;
    rest.remove_prefix(space + 1);
  }
  return std::nullopt;
}

const std::string& boot_id() {
  static const std::string id = [] {
    std::string text = read_small_file("/proc/sys/kernel/random/boot_id");
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }();
  return id;
}

bool is_same(const ProcessIdentity& process, const std::optional<ProcessFacts>& facts) {
  return facts && facts->start_ticks == process.start_ticks && process.boot_id == boot_id();
}

int pidfd_of(pid_t pid) {
#ifdef SYS_pidfd_open
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
#else
  return -1;
#endif
}

bool send_through(int pidfd, int number) {
#ifdef SYS_pidfd_send_signal
  return syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) == 0;
#else
  return false;
#endif
}

std::vector<pid_t> all_processes() {
  std::vector<pid_t> pids;
  DIR* folder = opendir("/proc");
  if (folder == nullptr) return pids;
  while (const dirent* entry = readdir(folder)) {
    const std::string_view name = entry->d_name;
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc() && end == name.data() + name.size()) pids.push_back(pid);
  }
  closedir(folder);
  return pids;
}

// The living descendants; parents before their children.
std::vector<ProcessIdentity> descendants(pid_t root) {
  std::vector<std::pair<pid_t, ProcessFacts>> living;
  for (const pid_t pid : all_processes()) {
    if (const auto facts = facts_of(pid); facts && facts->state != 'Z') {
      living.emplace_back(pid, *facts);
    }
  }
  std::set<pid_t> tree{root};
  std::vector<ProcessIdentity> found;
  for (bool grown = true; grown;) {
    grown = false;
    for (const auto& [pid, facts] : living) {
      if (!tree.contains(facts.parent) || !tree.insert(pid).second) continue;
      found.push_back({pid, facts.start_ticks, boot_id()});
      grown = true;
    }
  }
  return found;
}

}  // namespace

ProcessIdentity own_identity() { return identity_of(getpid()); }

ProcessIdentity identity_of(pid_t pid) {
  const std::optional<ProcessFacts> facts = facts_of(pid);
  return {pid, facts ? facts->start_ticks : 0, boot_id()};
}

bool is_alive(const ProcessIdentity& process) {
  if (process.pid <= 0) return false;
  const std::optional<ProcessFacts> facts = facts_of(process.pid);
  return is_same(process, facts) && facts->state != 'Z' && facts->state != 'X';
}

bool is_reaped(const ProcessIdentity& process) {
  return process.pid <= 0 || !is_same(process, facts_of(process.pid));
}

int open_process(const ProcessIdentity& process) {
  if (process.pid <= 0) return -1;
  const int pidfd = pidfd_of(process.pid);
  // Looked at after it was opened: from then on the number can't come to mean another process.
  if (pidfd >= 0 && !is_same(process, facts_of(process.pid))) {
    close(pidfd);
    return -1;
  }
  return pidfd;
}

bool signal_process(const ProcessIdentity& process, int number) {
  if (process.pid <= 0) return false;
  const int pidfd = open_process(process);
  if (pidfd >= 0) {
    const bool sent = send_through(pidfd, number);
    close(pidfd);
    return sent;
  }
  // No pidfd in this kernel (or no descriptor left): the check comes as late as it can.
  return is_alive(process) && kill(process.pid, number) == 0;
}

void kill_tree(const ProcessIdentity& root) {
  if (!signal_process(root, SIGSTOP)) return;
  for (int round = 0; round < kKillRounds; ++round) {
    const std::vector<ProcessIdentity> found = descendants(root.pid);
    if (found.empty()) break;
    for (const ProcessIdentity& process : found) signal_process(process, SIGKILL);
  }
  signal_process(root, SIGKILL);
}

}  // namespace pyember::host

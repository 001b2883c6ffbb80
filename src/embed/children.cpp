#include "embed/children.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "embed/interpose.h"

namespace pyember::embed {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kGrace =
    200ms;                        // from SIGTERM to SIGKILL, at most half the deadline
constexpr int kLookAgainMs = 20;  // a wait for any child notices children started meanwhile

// The start keeps a number that has passed to another process from being taken for the child: one
// that was reaped while its session's thread was being parked is never forgotten.
struct Noted {
  const SessionSlot* owner;
  unsigned long long started;  // 0: could not be read, so it is known by its mark alone
};

// Which session owns which child. Leaked on purpose: threads of sessions outlive static objects.
struct Registry {
  std::mutex mutex;
  std::map<pid_t, Noted> children;
  std::set<const SessionSlot*> had_children;  // only those are worth a walk through /proc
};

Registry& registry() {
  static Registry& instance = *new Registry;
  return instance;
}

// --- /proc -------------------------------------------------------------------------------------

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '?';
  unsigned long long started = 0;  // in clock ticks since boot
};

std::string read_whole(const std::string& path) {
  std::string text;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  std::array<char, 4096> chunk;
  for (ssize_t got; (got = read(fd, chunk.data(), chunk.size())) > 0;) {
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  close(fd);
  return text;
}

// /proc/PID/stat: "pid (name) state ppid …", where the name may hold anything, ")" included; field
// 22 is the start time (proc(5)).
bool read_process(pid_t pid, Process& process) {
  const std::string text = read_whole("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t end = text.rfind(')');
  if (end == std::string::npos) return false;
  process.pid = pid;
  return std::sscanf(
             text.c_str() + end + 1,
             " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
             &process.state, &process.parent, &process.started) == 3;
}

bool still_runs(const ProcessIdentity& identity) {
  Process now;
  return read_process(identity.pid, now) && now.started == identity.started;
}

std::vector<Process> all_processes() {
  std::vector<Process> found;
  DIR* folder = opendir("/proc");
  if (!folder) return found;
  while (const dirent* entry = readdir(folder)) {
    Process process;
    const pid_t pid = std::atoi(entry->d_name);
    if (pid > 0 && read_process(pid, process)) found.push_back(process);
  }
  closedir(folder);
  return found;
}

bool carries_mark(pid_t pid, const std::string& mark) {
  const std::string environment = read_whole("/proc/" + std::to_string(pid) + "/environ");
  for (std::size_t at = 0; (at = environment.find(mark, at)) != std::string::npos; ++at) {
    const bool begins = at == 0 || environment[at - 1] == '\0';
    const bool ends =
        at + mark.size() == environment.size() || environment[at + mark.size()] == '\0';
    if (begins && ends) return true;
  }
  return false;
}

bool is_noted(const SessionSlot& slot, const Process& process) {
  Registry& r = registry();
  std::lock_guard guard(r.mutex);
  const auto found = r.children.find(process.pid);
  return found != r.children.end() && found->second.owner == &slot &&
         found->second.started == process.started;
}

// The session's processes that still run: noted, marked, and what descends from either. The
// server's other children, and whatever started before the server, are never looked at.
std::vector<ProcessIdentity> living(const SessionSlot& slot) {
  const std::vector<Process> processes = all_processes();
  const pid_t server = interpose::server_pid();
  Process self;
  read_process(server, self);
  const std::string mark = std::string(kSessionMark) + "=" + std::to_string(slot.session_serial);
  std::set<pid_t> ours;
  for (const Process& each : processes) {
    if (each.pid == server || each.started < self.started) continue;
    if (is_noted(slot, each) || carries_mark(each.pid, mark)) ours.insert(each.pid);
  }
  for (std::size_t before = 0; before != ours.size();) {  // children of ours, until none is new
    before = ours.size();
    for (const Process& each : processes) {
      if (each.pid != server && ours.count(each.parent)) ours.insert(each.pid);
    }
  }
  std::vector<ProcessIdentity> running;
  for (const Process& each : processes) {
    const bool zombie = each.state == 'Z' || each.state == 'X';
    // A zombie that is not our child is its parent's affair and holds nothing.
    if (!ours.count(each.pid) || (zombie && each.parent != server)) continue;
    running.push_back({each.pid, each.started});
  }
  return running;
}

// Reaps what is our own child; the others are reaped by their parents.
void reap(const SessionSlot& slot, const std::vector<ProcessIdentity>& processes) {
  for (const ProcessIdentity& each : processes) {
    if (waitpid(each.pid, nullptr, WNOHANG) == each.pid) forget_child(slot, each.pid);
  }
}

// The descriptor holds on to one process; so what is looked at after it was opened is what gets
// the signal, whoever reaps it meanwhile.
void send(const ProcessIdentity& process, int number) {
#if defined(SYS_pidfd_open) && defined(SYS_pidfd_send_signal)
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0));
  if (fd >= 0) {
    if (still_runs(process)) syscall(SYS_pidfd_send_signal, fd, number, nullptr, 0);
    close(fd);
    return;
  }
#endif
  if (still_runs(process)) kill(process.pid, number);
}

// Signals all and waits until none is left or `until`; looks again each round, because a process
// that is being ended may still start others.
bool signal_until_gone(const SessionSlot& slot, int number, Clock::time_point until) {
  std::set<std::pair<pid_t, unsigned long long>> told;
  for (;;) {
    const std::vector<ProcessIdentity> left = living(slot);
    if (left.empty()) return true;
    for (const ProcessIdentity& each : left) {
      if (told.emplace(each.pid, each.started).second || number == SIGKILL) send(each, number);
      if (number == SIGTERM) send(each, SIGCONT);  // a stopped process does not see SIGTERM
    }
    std::this_thread::sleep_for(2ms);
    reap(slot, left);
    if (Clock::now() >= until) return living(slot).empty();
  }
}

void forget_all(const SessionSlot& slot) {
  Registry& r = registry();
  std::lock_guard guard(r.mutex);
  std::erase_if(r.children, [&](const auto& entry) { return entry.second.owner == &slot; });
  r.had_children.erase(&slot);
}

bool had_children(const SessionSlot& slot) {
  Registry& r = registry();
  std::lock_guard guard(r.mutex);
  return r.had_children.count(&slot) != 0;
}

// Waits until one of the children ends, something looks worth another round, or a stop.
// -1 with errno set: the wait was interrupted.
int wait_for_news(const std::vector<pid_t>& pids) {
  std::vector<pollfd> entries;
#ifdef SYS_pidfd_open
  for (pid_t pid : pids) {
    const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    if (fd >= 0) entries.push_back({fd, POLLIN, 0});
  }
#endif
  const int result = poll(entries.data(), entries.size(), kLookAgainMs);
  const int error = errno;
  for (const pollfd& each : entries) close(each.fd);
  errno = error;
  return result;
}

bool in_group(pid_t child, pid_t pid) {
  if (pid == -1) return true;
  return getpgid(child) == (pid == 0 ? getpgrp() : -pid);
}

// The common loop of the two waits. `attempt` returns 1 when it has reaped the child, 0 when that
// one is still running, -1 when it is no child any more.
template <typename Attempt>
int first_of(const SessionSlot& slot, pid_t selector, bool blocks, Attempt attempt) {
  for (;;) {
    std::vector<pid_t> candidates;
    for (pid_t child : children(slot)) {
      if (!in_group(child, selector)) continue;
      const int outcome = attempt(child);
      if (outcome > 0) return 1;
      if (outcome == 0)
        candidates.push_back(child);
      else
        forget_child(slot, child);
    }
    if (candidates.empty()) {
      errno = ECHILD;
      return -1;
    }
    if (!blocks) return 0;
    if (wait_for_news(candidates) < 0) return -1;
  }
}

}  // namespace

void note_child(const SessionSlot& slot, pid_t pid) {
  const int saved = errno;
  ProcessIdentity child{pid, 0};
  if (Process process; pid > 0) {
    const ServerScope server;  // /proc is read as the server reads it
    if (read_process(pid, process)) child.started = process.started;
  }
  note_child(slot, child);
  errno = saved;
}

void note_child(const SessionSlot& slot, ProcessIdentity child) {
  Registry& r = registry();
  std::lock_guard guard(r.mutex);
  r.had_children.insert(&slot);
  if (child.pid > 0) r.children[child.pid] = {&slot, child.started};
}

void forget_child(const SessionSlot& slot, pid_t pid) {
  Registry& r = registry();
  std::lock_guard guard(r.mutex);
  const auto found = r.children.find(pid);
  if (found != r.children.end() && found->second.owner == &slot) r.children.erase(found);
}

bool belongs_to_another(const SessionSlot& slot, pid_t pid) {
  Registry& r = registry();
  std::lock_guard guard(r.mutex);
  const auto found = r.children.find(pid);
  return found != r.children.end() && found->second.owner != &slot;
}

std::vector<pid_t> children(const SessionSlot& slot) {
  Registry& r = registry();
  std::lock_guard guard(r.mutex);
  std::vector<pid_t> pids;
  for (const auto& [pid, noted] : r.children) {
    if (noted.owner == &slot) pids.push_back(pid);
  }
  return pids;
}

bool end_children(const SessionSlot& slot, std::chrono::milliseconds deadline) {
  if (!had_children(slot)) return true;
  const Clock::time_point start = Clock::now();
  const bool gone = signal_until_gone(slot, SIGTERM, start + std::min(kGrace, deadline / 2)) ||
                    signal_until_gone(slot, SIGKILL, start + deadline);
  if (gone) forget_all(slot);
  return gone;
}

pid_t wait_for_any_child(const SessionSlot& slot, pid_t pid, int options,
                         const std::function<pid_t(pid_t, int)>& wait) {
  pid_t reaped = 0;
  const int outcome = first_of(slot, pid, !(options & WNOHANG), [&](pid_t child) {
    const pid_t result = wait(child, options | WNOHANG);
    if (result > 0) reaped = result;
    return result > 0 ? 1 : result;
  });
  if (outcome > 0) forget_child(slot, reaped);
  return outcome > 0 ? reaped : outcome;
}

int wait_for_child_state(const SessionSlot& slot, idtype_t type, id_t id, siginfo_t* info,
                         int options,
                         const std::function<int(idtype_t, id_t, siginfo_t*, int)>& wait) {
  siginfo_t own{};
  siginfo_t* found = info ? info : &own;
  const bool reaps = !(options & WNOWAIT) && (options & WEXITED);
  const auto forget_if_reaped = [&] {
    const bool ended = found->si_code == CLD_EXITED || found->si_code == CLD_KILLED ||
                       found->si_code == CLD_DUMPED;
    if (reaps && ended && found->si_pid > 0) forget_child(slot, found->si_pid);
  };
  found->si_pid = 0;
  if (type != P_ALL && type != P_PGID) {
    if (type == P_PID && belongs_to_another(slot, static_cast<pid_t>(id))) {
      errno = ECHILD;
      return -1;
    }
    const int result = wait(type, id, found, options);
    if (result == 0) forget_if_reaped();
    return result;
  }
  const pid_t selector = type == P_ALL ? -1 : id == 0 ? 0 : -static_cast<pid_t>(id);
  const int outcome = first_of(slot, selector, !(options & WNOHANG), [&](pid_t child) {
    found->si_pid = 0;
    if (wait(P_PID, static_cast<id_t>(child), found, options | WNOHANG) != 0) return -1;
    return found->si_pid != 0 ? 1 : 0;
  });
  if (outcome > 0) forget_if_reaped();
  return outcome < 0 ? -1 : 0;
}

}  // namespace pyember::embed

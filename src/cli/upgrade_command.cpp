#include "cli/upgrade_command.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "journal/journal_memory.h"
#include "journal/upgrade_order.h"
#include "supervisor/supervisor.h"

namespace pyember::cli {

namespace {

using namespace std::chrono_literals;

// Cells that run are given limits::kHandOverGrace, then the new server starts.
constexpr std::chrono::seconds kDeadline{30};
constexpr std::chrono::milliseconds kPause{20};
constexpr std::string_view kJournal = "/memfd:pyember-journal";

std::string link_of(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t size = readlink(path.c_str(), target, sizeof target);
  return size > 0 ? std::string(target, static_cast<std::size_t>(size)) : std::string();
}

std::vector<std::string> entries(const std::string& folder) {
  std::vector<std::string> names;
  DIR* const directory = opendir(folder.c_str());
  if (directory == nullptr) return names;
  while (const dirent* each = readdir(directory)) names.emplace_back(each->d_name);
  closedir(directory);
  return names;
}

bool is_supervisor(pid_t pid) {
  const std::string folder = fmt::format("/proc/{}", pid);
  struct stat status {};
  if (stat(folder.c_str(), &status) != 0 || status.st_uid != geteuid()) return false;
  char name[32] = {};
  std::FILE* const file = std::fopen((folder + "/comm").c_str(), "re");
  if (file == nullptr) return false;
  const bool read = std::fgets(name, sizeof name, file) != nullptr;
  std::fclose(file);
  return read && name == std::string(supervisor::kProcessName) + "\n";
}

std::vector<pid_t> supervisors() {
  std::vector<pid_t> found;
  for (const std::string& name : entries("/proc")) {
    pid_t pid = 0;
    const auto read = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (read.ptr == name.data() + name.size() && pid > 0 && is_supervisor(pid)) {
      found.push_back(pid);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool runs_this_program(pid_t pid) {
  struct stat theirs {};
  struct stat ours {};
  return stat(fmt::format("/proc/{}/exe", pid).c_str(), &theirs) == 0 &&
         stat("/proc/self/exe", &ours) == 0 && theirs.st_dev == ours.st_dev &&
         theirs.st_ino == ours.st_ino;
}

// The journal of a supervisor, by its descriptor in /proc.
Result<journal::JournalMemory> journal_of(pid_t pid) {
  const std::string folder = fmt::format("/proc/{}/fd", pid);
  for (const std::string& name : entries(folder)) {
    const std::string path = folder + "/" + name;
    if (link_of(path).substr(0, kJournal.size()) != kJournal) continue;
    const int memory = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (memory < 0) break;
    Result<journal::JournalMemory> opened = journal::JournalMemory::open(memory, -1, -1);
    if (opened) return opened;
    return Error{ErrorCode::Unavailable,
                 "its program keeps its state in another way than this one, so it can't go on as "
                 "this. Have the client start its server again."};
  }
  return Error{ErrorCode::Unavailable,
               "its state can't be reached (does it belong to somebody else, or end right now?). "
               "Try again, or have the client start its server again."};
}

// Empty when it has become this program, else why not.
std::string upgrade_one(pid_t pid, const std::string& program) {
  Result<journal::JournalMemory> memory = journal_of(pid);
  if (!memory) return memory.error().message;
  journal::UpgradeOrder order(memory.value().layout());
  if (!order.write(program)) return "the path of this program is too long. Install it elsewhere.";
  if (kill(pid, supervisor::kUpgradeSignal) != 0) return "it has just ended.";
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (order.exists() && kill(pid, 0) == 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kPause);
  }
  if (kill(pid, 0) != 0) return "it has ended meanwhile.";
  if (order.exists()) {
    order.clear();
    return fmt::format("it did not within {} s. Look at its log on stderr, and try again.",
                       kDeadline.count());
  }
  if (!runs_this_program(pid)) return "it could not run this program: see its log on stderr.";
  return {};
}

}  // namespace

int upgrade(const UpgradeCommand& command) {
  const std::string program = link_of("/proc/self/exe");
  const std::vector<pid_t> pids = command.pids.empty() ? supervisors() : command.pids;
  if (pids.empty()) fmt::print("No server of yours runs under a supervisor.\n");
  int exit_code = 0;
  for (const pid_t pid : pids) {
    const std::string place = link_of(fmt::format("/proc/{}/cwd", pid));
    std::string why;
    if (!is_supervisor(pid)) {
      why = "no supervisor of yours has this id. `pyember upgrade` alone finds them.";
    } else if (runs_this_program(pid) && !command.all) {
      fmt::print("{} in {}: runs this program already\n", pid, place);
      continue;
    } else {
      why = upgrade_one(pid, program);
    }
    if (why.empty()) {
      fmt::print("{} in {}: goes on as {}\n", pid, place, program);
    } else {
      fmt::print(stderr, "pyember: {} in {} was not upgraded: {}\n", pid, place, why);
      exit_code = 1;
    }
  }
  std::fflush(stdout);  // the process ends with _exit
  return exit_code;
}

}  // namespace pyember::cli

#include "runner/process_tree.h"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/small_file.h"

namespace pyember::runner {
namespace {

// Moves those of `rest` whose parent is `parent` or in `found` to `found`, until none is left.
void collect(pid_t parent, std::vector<Process>& rest, std::vector<Process>& found) {
  const auto is_ours = [&](const Process& process) {
    return process.parent == parent ||
           std::any_of(found.begin(), found.end(),
                       [&](const Process& known) { return known.pid == process.parent; });
  };
  for (bool grew = true; grew;) {
    grew = false;
    for (auto each = rest.begin(); each != rest.end();) {
      if (!is_ours(*each)) {
        ++each;
        continue;
      }
      found.push_back(*each);
      each = rest.erase(each);
      grew = true;
    }
  }
}

}  // namespace

std::vector<pid_t> listed_pids() {
  std::vector<pid_t> pids;
  DIR* const directory = opendir("/proc");
  if (directory == nullptr) return pids;
  while (const dirent* entry = readdir(directory)) {
    const char* const name = entry->d_name;
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name, name + std::strlen(name), pid);
    if (error == std::errc() && *end == '\0') pids.push_back(pid);
  }
  closedir(directory);
  std::sort(pids.begin(), pids.end());
  return pids;
}

Process read_process(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const std::string text = read_small_file(path.c_str(), 512);
  // The program's name stands in parentheses and may hold any character, these included.
  const auto name_end = text.rfind(')');
  Process process;
  if (name_end == std::string::npos ||
      std::sscanf(text.c_str() + name_end + 1, " %c %d %d", &process.state, &process.parent,
                  &process.group) != 3) {
    return {};
  }
  process.pid = pid;
  return process;
}

std::vector<Process> living_descendants() {
  std::vector<Process> all;
  std::vector<Process> found;
  for (const pid_t pid : listed_pids()) {
    const Process process = read_process(pid);
    if (process.pid != 0) all.push_back(process);
  }
  collect(getpid(), all, found);
  std::erase_if(
      found, [](const Process& process) { return process.state == 'Z' || process.state == 'X'; });
  return found;
}

pid_t innermost_process(pid_t pid) {
  const auto name_of = [](pid_t process) {
    return read_small_file(("/proc/" + std::to_string(process) + "/comm").c_str(), 64);
  };
  const std::string name = name_of(pid);
  const std::vector<Process> processes = living_descendants();
  for (bool deeper = true; deeper;) {
    const auto inner =
        std::find_if(processes.begin(), processes.end(), [&](const Process& process) {
          return process.parent == pid && name_of(process.pid) == name;
        });
    deeper = inner != processes.end();
    if (deeper) pid = inner->pid;
  }
  return pid;
}

bool signal_descendants(int signal) {
  const pid_t own_group = getpgrp();
  const auto descendants = living_descendants();
  for (const Process& process : descendants) {
    // The runner is alone in its session and the child begins a group before anything else, so
    // every group of a descendant other than ours has descendants only.
    if (signal == SIGKILL && process.group > 1 && process.group != own_group) {
      kill(-process.group, signal);
    }
    kill(process.pid, signal);
    if (signal == SIGTERM) kill(process.pid, SIGCONT);
  }
  return !descendants.empty();
}

}  // namespace pyember::runner

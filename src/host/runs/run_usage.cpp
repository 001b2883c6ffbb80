#include "host/runs/run_usage.h"

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/small_file.h"
#include "host/runs/run_files.h"

namespace pyember::host {

namespace {

struct Process {
  pid_t parent = 0;
  std::uint64_t ticks = 0;  // of CPU time
  std::uint64_t pages = 0;  // resident
};

// Fields of /proc/PID/stat behind the program's name, which stands in parentheses and may hold any
// character, these included.
std::optional<Process> read_process(std::string_view pid) {
  const std::string path = "/proc/" + std::string(pid) + "/stat";
  const std::string text = read_small_file(path.c_str(), 1024);
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  Process process;
  unsigned long long own[2];
  unsigned long long waited_for[2];
  unsigned long long pages = 0;
  const int found =
      std::sscanf(text.c_str() + name_end + 1,
                  " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %*d %*d "
                  "%*u %*u %llu",
                  &process.parent, &own[0], &own[1], &waited_for[0], &waited_for[1], &pages);
  if (found != 6) return std::nullopt;
  process.ticks = own[0] + own[1] + waited_for[0] + waited_for[1];
  process.pages = pages;
  return process;
}

std::multimap<pid_t, std::pair<pid_t, Process>> children_by_parent() {
  std::multimap<pid_t, std::pair<pid_t, Process>> children;
  std::error_code failed;
  for (std::filesystem::directory_iterator each("/proc", failed), end; !failed && each != end;
       each.increment(failed)) {
    const std::string name = each->path().filename().string();
    pid_t pid = 0;
    const auto [rest, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || rest != name.data() + name.size()) continue;
    if (const auto process = read_process(name)) {
      children.emplace(process->parent, std::pair(pid, *process));
    }
  }
  return children;
}

}  // namespace

std::optional<RunUsage> usage_of_run(const std::string& folder) {
  const std::optional<RunnerRecord> record = read_runner(folder);
  if (!record || !is_alive(record->runner)) return std::nullopt;
  const auto children = children_by_parent();
  static const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  static const auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  RunUsage usage;
  bool any = false;
  std::vector<pid_t> parents{record->runner.pid};
  std::set<pid_t> seen;  // numbers may be given out anew while we read
  while (!parents.empty()) {
    const pid_t parent = parents.back();
    parents.pop_back();
    for (auto [each, end] = children.equal_range(parent); each != end; ++each) {
      const auto& [pid, process] = each->second;
      if (!seen.insert(pid).second) continue;
      any = true;
      usage.resident_bytes += process.pages * page;
      usage.cpu_seconds += static_cast<double>(process.ticks) / ticks_per_second;
      parents.push_back(pid);
    }
  }
  if (!any) return std::nullopt;
  return usage;
}

}  // namespace pyember::host

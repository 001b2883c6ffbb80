#include "host/workers/namespace_pids.h"

#include <dirent.h>
#include <fmt/format.h>

#include <charconv>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/small_file.h"

namespace pyember::host {

namespace {

constexpr std::size_t kMostProcesses = 4096;  // a sandbox has far fewer

constexpr std::size_t kMostText = 64u << 10;

std::vector<pid_t> numbers_in(std::string_view text) {
  std::vector<pid_t> numbers;
  while (!text.empty()) {
    pid_t number = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failed == std::errc()) numbers.push_back(number);
    const auto next = static_cast<std::size_t>(end - text.data());
    text.remove_prefix(failed == std::errc() ? next : next + 1);
  }
  return numbers;
}

// Its pids from the server's namespace to its own; empty: it is gone.
std::vector<pid_t> pids_of(pid_t process) {
  const std::string status =
      read_small_file(fmt::format("/proc/{}/status", process).c_str(), kMostText);
  constexpr std::string_view kKey = "NSpid:";
  const std::size_t begin = status.find(kKey);
  if (begin == std::string::npos) return {};
  std::string_view line = std::string_view(status).substr(begin + kKey.size());
  return numbers_in(line.substr(0, line.find('\n')));
}

void add_children(pid_t process, std::deque<pid_t>& found) {
  const std::string folder = fmt::format("/proc/{}/task", process);
  DIR* threads = opendir(folder.c_str());
  if (threads == nullptr) return;
  while (const dirent* thread = readdir(threads)) {
    if (thread->d_name[0] == '.') continue;
    const std::string children =
        read_small_file(fmt::format("{}/{}/children", folder, thread->d_name).c_str(), kMostText);
    for (const pid_t child : numbers_in(children)) found.push_back(child);
  }
  closedir(threads);
}

template <typename Wanted>
ProcessIdentity find_below(pid_t root, const Wanted& wanted) {
  std::deque<pid_t> waiting{root};
  for (std::size_t seen = 0; !waiting.empty() && seen < kMostProcesses; ++seen) {
    const pid_t process = waiting.front();
    waiting.pop_front();
    if (wanted(pids_of(process))) return identity_of(process);
    add_children(process, waiting);
  }
  return {};
}

}  // namespace

ProcessIdentity find_in_namespace(pid_t root, pid_t inner) {
  return find_below(root, [inner](const std::vector<pid_t>& pids) {
    return pids.size() > 1 && pids.back() == inner;
  });
}

ProcessIdentity find_among_descendants(pid_t root, pid_t pid) {
  return find_below(root, [pid](const std::vector<pid_t>& pids) {
    return pids.size() == 1 && pids.back() == pid;
  });
}

}  // namespace pyember::host

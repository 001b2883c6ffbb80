#include "base/control_group.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "base/limits.h"
#include "base/small_file.h"

namespace pyember {
namespace {

constexpr std::size_t kMountsBytes = 256u << 10;  // of mountinfo; a busy container host has 100 kB

// Takes what stands before `separator` off the front of `text`.
std::string_view cut(std::string_view& text, char separator) {
  const auto end = text.find(separator);
  const auto part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

// Whether `word` is one of a list separated by commas.
bool lists(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    if (cut(list, ',') == word) return true;
  }
  return false;
}

struct Hierarchy {
  std::string directory;    // of this process's own group
  std::string mount_point;  // above which there is nothing to see
  bool unified = false;
};

// Where this process stands in the hierarchy of `controller`, as a path below its root.
std::optional<std::string> own_path(std::string_view controller, bool unified) {
  const std::string text = read_small_file("/proc/self/cgroup", 16384);
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view line = cut(rest, '\n');
    const auto number = cut(line, ':');
    const auto controllers = cut(line, ':');
    if (unified ? number == "0" && controllers.empty() : lists(controllers, controller)) {
      return std::string(line);
    }
  }
  return std::nullopt;
}

// "36 31 0:33 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory"
std::optional<Hierarchy> hierarchy_of_mount(std::string_view line, std::string_view controller) {
  for (int skipped = 0; skipped < 3; ++skipped) cut(line, ' ');
  const auto root = cut(line, ' ');
  const auto mount_point = cut(line, ' ');
  while (!line.empty() && cut(line, ' ') != "-") {
  }
  const auto type = cut(line, ' ');
  cut(line, ' ');
  const bool unified = type == "cgroup2";
  if (!unified && !(type == "cgroup" && lists(line, controller))) return std::nullopt;
  const auto path = own_path(controller, unified);
  if (!path) return std::nullopt;
  std::string_view below = *path;
  if (root != "/") {
    if (!below.starts_with(root)) return std::nullopt;
    below.remove_prefix(root.size());
  }
  while (below.ends_with('/')) below.remove_suffix(1);
  return Hierarchy{std::string(mount_point) + std::string(below), std::string(mount_point),
                   unified};
}

std::optional<Hierarchy> find_hierarchy(std::string_view controller) {
  std::string text;
  const UniqueFd file(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  char block[16384];
  for (ssize_t got = 0; file && (got = read(file.get(), block, sizeof block)) > 0;) {
    text.append(block, static_cast<std::size_t>(got));
    if (text.size() > kMountsBytes) break;
  }
  std::optional<Hierarchy> unified;
  for (std::string_view rest = text; !rest.empty();) {
    auto found = hierarchy_of_mount(cut(rest, '\n'), controller);
    if (found && !found->unified) return found;  // a controller is in one version only
    if (found) unified = found;
  }
  return unified;
}

const char* name_of(ControlGroup::Controller controller) {
  return controller == ControlGroup::Controller::Memory ? "memory" : "pids";
}

std::string place_in(const Hierarchy& hierarchy, ControlGroup::Controller controller) {
  if (!hierarchy.unified) return hierarchy.directory;
  return ControlGroup::place_above(hierarchy.directory, hierarchy.mount_point, controller);
}

bool lives(pid_t pid) { return kill(pid, 0) == 0 || errno != ESRCH; }

// The number after `name` in lines of "name number".
std::uint64_t number_after(const std::string& text, std::string_view name) {
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view line = cut(rest, '\n');
    if (cut(line, ' ') == name) return std::strtoull(line.data(), nullptr, 10);
  }
  return 0;
}

}  // namespace

std::string ControlGroup::place_above(std::string own, const std::string& mount_point,
                                      Controller controller) {
  const std::string_view name = name_of(controller);
  for (std::string& place = own;;) {
    std::string handed = read_small_file((place + "/cgroup.subtree_control").c_str());
    while (handed.ends_with('\n')) handed.pop_back();
    std::replace(handed.begin(), handed.end(), ' ', ',');
    if (lists(handed, name)) return place;
    const std::string limit = read_small_file((place + "/" + std::string(name) + ".max").c_str());
    const bool limited = !limit.empty() && !limit.starts_with("max");
    const std::size_t slash = place.rfind('/');
    if (limited || place == mount_point || slash == std::string::npos) return {};
    place.resize(slash);
  }
}

std::unique_ptr<ControlGroup> ControlGroup::make(Controller controller, std::uint64_t limit,
                                                 const std::string& name) {
  const auto hierarchy = find_hierarchy(name_of(controller));
  if (!hierarchy) return nullptr;
  std::string path = place_in(*hierarchy, controller);
  if (path.empty()) return nullptr;
  path += "/" + name;
  if (mkdir(path.c_str(), 0755) != 0) {
    // Left behind by a process with our pid that was killed.
    if (errno != EEXIST || rmdir(path.c_str()) != 0 || mkdir(path.c_str(), 0755) != 0) {
      return nullptr;
    }
  }
  UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::unique_ptr<ControlGroup> group(
      new ControlGroup(controller, hierarchy->unified, std::move(path), std::move(directory)));
  return group->set_limit(limit) ? std::move(group) : nullptr;
}

bool ControlGroup::remove_left_over(Controller controller, std::string_view prefix) {
  const auto hierarchy = find_hierarchy(name_of(controller));
  const std::string place = hierarchy ? place_in(*hierarchy, controller) : std::string();
  DIR* const folder = place.empty() ? nullptr : opendir(place.c_str());
  if (folder == nullptr) return true;
  bool none_of_ours = true;
  while (const dirent* entry = readdir(folder)) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(prefix)) continue;
    const pid_t maker = atoi(name.data() + prefix.size());
    if (maker != getpid() && lives(maker)) continue;
    // One that is in use can't be removed.
    const bool removed = rmdir((place + "/" + entry->d_name).c_str()) == 0;
    if (maker == getpid() && !removed) none_of_ours = false;
  }
  closedir(folder);
  return none_of_ours;
}

ControlGroup::ControlGroup(Controller controller, bool unified, std::string path,
                           UniqueFd directory)
    : controller_(controller),
      unified_(unified),
      path_(std::move(path)),
      directory_(std::move(directory)) {}

ControlGroup::~ControlGroup() {
  // The kernel lets go of a group a moment after its last process was reaped.
  const auto give_up = std::chrono::steady_clock::now() + limits::kRemoveGroupDeadline;
  while (!remove() && std::chrono::steady_clock::now() < give_up) usleep(500);
}

bool ControlGroup::remove() {
  if (path_.empty() || rmdir(path_.c_str()) == 0 || errno != EBUSY) path_.clear();
  return path_.empty();
}

bool ControlGroup::set_limit(std::uint64_t limit) const {
  const std::string number = std::to_string(limit);
  const int directory = directory_.get();
  if (controller_ == Controller::Processes) return write_small_file(directory, "pids.max", number);
  if (unified_) {
    write_small_file(directory, "memory.swap.max", "0");
    write_small_file(directory, "memory.oom.group", "1");
    return write_small_file(directory, "memory.max", number);
  }
  if (!write_small_file(directory, "memory.limit_in_bytes", number)) return false;
  write_small_file(directory, "memory.memsw.limit_in_bytes", number);  // only where swap counts
  return true;
}

bool ControlGroup::add(pid_t pid) const {
  return write_small_file(directory_.get(), "cgroup.procs", std::to_string(pid));
}

std::uint64_t ControlGroup::hits() const {
  const int directory = directory_.get();
  if (controller_ == Controller::Processes) {
    return number_after(read_small_file(directory, "pids.events"), "max");
  }
  const char* const events = unified_ ? "memory.events" : "memory.oom_control";
  return number_after(read_small_file(directory, events), "oom_kill");
}

std::uint64_t ControlGroup::peak_bytes() const {
  const char* const peak = unified_ ? "memory.peak" : "memory.max_usage_in_bytes";
  return std::strtoull(read_small_file(directory_.get(), peak, 64).c_str(), nullptr, 10);
}

}  // namespace pyember

#include "runner/control_group.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "base/limits.h"
#include "runner/clock.h"
#include "runner/small_file.h"

namespace pyember::runner {
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
  std::string directory;  // of this process's own group
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
  return Hierarchy{std::string(mount_point) + std::string(below), unified};
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

// The number after `name` in lines of "name number".
std::uint64_t number_after(const std::string& text, std::string_view name) {
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view line = cut(rest, '\n');
    if (cut(line, ' ') == name) return std::strtoull(line.data(), nullptr, 10);
  }
  return 0;
}

}  // namespace

std::unique_ptr<ControlGroup> ControlGroup::make(Controller controller, std::uint64_t limit) {
  const auto hierarchy = find_hierarchy(controller == Controller::Memory ? "memory" : "pids");
  if (!hierarchy) return nullptr;
  std::string path = hierarchy->directory + "/pyember-run-" + std::to_string(getpid());
  if (mkdir(path.c_str(), 0755) != 0) {
    // Left behind by a runner with our pid that was killed.
    if (errno != EEXIST || rmdir(path.c_str()) != 0 || mkdir(path.c_str(), 0755) != 0) {
      return nullptr;
    }
  }
  UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::unique_ptr<ControlGroup> group(
      new ControlGroup(controller, hierarchy->unified, std::move(path), std::move(directory)));
  return group->set_limit(limit) ? std::move(group) : nullptr;
}

ControlGroup::ControlGroup(Controller controller, bool unified, std::string path,
                           UniqueFd directory)
    : controller_(controller),
      unified_(unified),
      path_(std::move(path)),
      directory_(std::move(directory)) {}

ControlGroup::~ControlGroup() {
  // The kernel lets go of a group a moment after its last process was reaped.
  const auto give_up = monotonic_ns() + nanoseconds(limits::kRemoveGroupDeadline);
  while (!path_.empty() && rmdir(path_.c_str()) != 0 && errno == EBUSY &&
         monotonic_ns() < give_up) {
    usleep(500);
  }
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

}  // namespace pyember::runner

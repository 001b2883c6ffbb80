// sandbox_driver: runs a program in a sandbox, with the server's own plan for a Python, as the
// server would start it, and ends with its code.
//
//   sandbox_driver [--python PATH] [--runtime DIRECTORY] [--site DIRECTORY]… [--environment ROOT]
//                  [--read-only OUT=IN]… [--read-write OUT=IN]… [--socket OUT=IN]… [--group
//                  CGROUP]…
//                  [--processes N] [--address-space N] [--set NAME=VALUE]… -- PROGRAM ARGUMENT…
//   sandbox_driver --fence FOLDER …  behind a fence, which lets it change that folder
//   sandbox_driver --available, --fence-available    prints nothing, or why there are none; 0 or 1
//   sandbox_driver … --print -- …   prints the command, one argument a line

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/control_group.h"
#include "base/spawn.h"
#include "host/boundaries/bubblewrap.h"
#include "host/boundaries/fence.h"
#include "host/boundaries/sandbox_python.h"

namespace {

using pyember::host::SandboxPath;

struct Order {
  pyember::host::SandboxedPython python;
  pyember::host::SandboxPlan more;
  std::uint64_t memory_bytes = 0;  // of all of it, by a control group
  std::string fence;               // its folder; empty: a sandbox
  bool print = false;
  std::vector<std::string> program;
};

int complain(const std::string& message) {
  std::fprintf(stderr, "sandbox_driver: %s\n", message.c_str());
  return 1;
}

SandboxPath path_of(const std::string& text) {
  const std::size_t at = text.find('=');
  if (at == std::string::npos) return {text, ""};
  return {text.substr(0, at), text.substr(at + 1)};
}

bool store(std::string_view name, const std::string& value, Order& order) {
  auto& python = order.python;
  auto& more = order.more;
  if (name == "--python") return !(python.executable = value).empty();
  if (name == "--runtime") return !(python.runtime_directory = value).empty();
  if (name == "--environment") return !(python.environment_root = value).empty();
  if (name == "--site") return !python.site_directories.emplace_back(value).empty();
  if (name == "--fence") return !(order.fence = value).empty();
  if (name == "--memory") return (order.memory_bytes = std::stoull(value)) > 0;
  if (name == "--set") return !more.environment.emplace_back(value).empty();
  if (name == "--processes") return *(more.limits.processes = std::stoull(value)) > 0;
  if (name == "--address-space") {
    return *(more.limits.address_space_bytes = std::stoull(value)) > 0;
  }
  auto* const paths = name == "--read-only"    ? &more.read_only
                      : name == "--read-write" ? &more.read_write
                      : name == "--socket"     ? &more.sockets
                                               : nullptr;
  if (paths != nullptr) paths->push_back(path_of(value));
  return paths != nullptr;
}

template <typename List>
void add(List& to, const List& what) {
  to.insert(to.end(), what.begin(), what.end());
}

int run(const pyember::host::SandboxCommand& command) {
  // Ours for the standard streams, and 5 where the test has opened it.
  std::vector<pyember::ChildDescriptor> descriptors = {{0, 0}, {1, 1}, {2, 2}};
  if (fcntl(5, F_GETFD) >= 0) descriptors.push_back({5, 5});
  add(descriptors, command.descriptors);
  pid_t pid = 0;
  if (pyember::spawn_on_its_own(command.arguments, command.environment, descriptors, pid) != 0) {
    return complain("nothing could be started");
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int start(const Order& order) {
  pyember::host::SandboxPlan plan = sandbox_for_python(order.python);
  add(plan.read_only, order.more.read_only);
  add(plan.read_write, order.more.read_write);
  add(plan.sockets, order.more.sockets);
  add(plan.environment, order.more.environment);
  plan.limits = order.more.limits;
  std::unique_ptr<pyember::ControlGroup> group;
  if (order.memory_bytes > 0) {
    group =
        pyember::ControlGroup::make(pyember::ControlGroup::Controller::Memory, order.memory_bytes,
                                    "pyember-sandbox-test-" + std::to_string(getpid()));
    if (!group) return complain("no control group can be made");
    plan.control_groups.push_back(group->path());
  }
  auto command = order.fence.empty()
                     ? sandbox_command(plan, order.program)
                     : fenced_command(plan, {order.fence, order.fence}, order.program);
  if (!command) return complain(command.error().message);
  if (!order.print) return run(command.value());
  for (const std::string& each : command.value().arguments) std::puts(each.c_str());
  return 0;
}

}  // namespace

int main(int, char** argv) {
  Order order;
  for (++argv; *argv != nullptr && std::string_view(*argv) != "--"; ++argv) {
    if (std::string_view(*argv) == "--available") {
      const auto available = pyember::host::sandbox_available();
      return available ? 0 : complain(available.error().message);
    }
    if (std::string_view(*argv) == "--fence-available") {
      const auto available = pyember::host::fence_available();
      return available ? 0 : complain(available.error().message);
    }
    if (std::string_view(*argv) == "--print") {
      order.print = true;
      continue;
    }
    if (argv[1] == nullptr || !store(*argv, argv[1], order)) return complain("unknown option");
    ++argv;
  }
  while (*argv != nullptr && *++argv != nullptr) order.program.emplace_back(*argv);
  return start(order);
}

// sandbox_driver: becomes a program in a sandbox, with the server's own plan for a Python.
//
//   sandbox_driver [--python PATH] [--runtime DIRECTORY] [--site DIRECTORY]… [--environment ROOT]
//                  [--read-only OUT=IN]… [--read-write OUT=IN]… [--socket OUT=IN]… [--group
//                  CGROUP]…
//                  [--processes N] [--address-space N] [--set NAME=VALUE]… -- PROGRAM ARGUMENT…
//   sandbox_driver --available      prints nothing, or why there are none, and ends with 0 or 1
//   sandbox_driver … --print -- …   prints the command, one argument a line

#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "host/boundaries/bubblewrap.h"
#include "host/boundaries/sandbox_python.h"

namespace {

using pyember::host::SandboxPath;

struct Order {
  pyember::host::SandboxedPython python;
  pyember::host::SandboxPlan more;
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
  auto& [python, more, print, program] = order;
  if (name == "--python") return !(python.executable = value).empty();
  if (name == "--runtime") return !(python.runtime_directory = value).empty();
  if (name == "--environment") return !(python.environment_root = value).empty();
  if (name == "--site") return !python.site_directories.emplace_back(value).empty();
  if (name == "--group") return !more.control_groups.emplace_back(value).empty();
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

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> found;
  for (std::string& text : texts) found.push_back(text.data());
  found.push_back(nullptr);
  return found;
}

template <typename List>
void add(List& to, const List& what) {
  to.insert(to.end(), what.begin(), what.end());
}

int become(const Order& order) {
  pyember::host::SandboxPlan plan = sandbox_for_python(order.python);
  add(plan.read_only, order.more.read_only);
  add(plan.read_write, order.more.read_write);
  add(plan.sockets, order.more.sockets);
  add(plan.environment, order.more.environment);
  plan.control_groups = order.more.control_groups;
  plan.limits = order.more.limits;
  auto command = sandbox_command(plan, order.program);
  if (!command) return complain(command.error().message);
  if (order.print) {
    for (const std::string& each : command.value().arguments) std::puts(each.c_str());
    return 0;
  }
  for (const auto& each : command.value().descriptors) dup2(each.from, each.number);
  const auto arguments = pointers(command.value().arguments);
  const auto environment = pointers(command.value().environment);
  execve(arguments[0], arguments.data(), environment.data());
  return complain("execve failed");
}

}  // namespace

int main(int, char** argv) {
  Order order;
  for (++argv; *argv != nullptr && std::string_view(*argv) != "--"; ++argv) {
    if (std::string_view(*argv) == "--available") {
      const auto available = pyember::host::sandbox_available();
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
  return become(order);
}

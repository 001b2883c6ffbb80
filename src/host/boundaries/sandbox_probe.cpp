// sandbox_available: whether a sandbox can be had, and why not.

#include <fmt/format.h>

#include <mutex>
#include <string>

#include "base/small_file.h"
#include "host/boundaries/bubblewrap.h"
#include "host/boundaries/trial.h"

namespace pyember::host {

namespace {

constexpr const char* kLastWayOut =
    " The last way out, for sessions alone: `pyember serve --sandbox-fallback landlock` puts a "
    "weaker fence in the sandbox's place.";

bool holds(const char* setting, char value) {
  const std::string text = read_small_file(setting, 32);
  return !text.empty() && text[0] == value && (text.size() == 1 || text[1] == '\n');
}

// What keeps user namespaces from ordinary users, and the command that gives them back.
std::string remedy() {
  std::string commands;
  const auto add = [&](const char* command) {
    commands.append(commands.empty() ? "" : " and ").append("`sysctl -w ").append(command) += '`';
  };
  if (holds("/proc/sys/kernel/unprivileged_userns_clone", '0')) {
    add("kernel.unprivileged_userns_clone=1");
  }
  if (holds("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1')) {
    add("kernel.apparmor_restrict_unprivileged_userns=0");
  }
  if (holds("/proc/sys/user/max_user_namespaces", '0')) add("user.max_user_namespaces=15000");
  if (!commands.empty()) {
    return fmt::format(
        "User namespaces are switched off here; as root, {} allows them (a file in /etc/sysctl.d "
        "keeps it so)",
        commands);
  }
  return "Inside a container its own confinement is in the way: start that one with "
         "--security-opt seccomp=unconfined and with an unmasked /proc (podman: --security-opt "
         "unmask=ALL; docker: --security-opt systempaths=unconfined), or run the server outside";
}

Error refused(const std::string& said) {
  return {ErrorCode::Unavailable,
          fmt::format("The sandbox can't be used here: starting one failed ({}). {}, or use "
                      "another isolation.",
                      said, remedy())};
}

Result<void> try_one() {
  auto command = sandbox_command(SandboxPlan{}, {kEnterInSandbox, "--version"});
  if (!command) return command.error();
  const std::string said = try_out(command.take());
  return said.empty() ? Result<void>{} : refused(said);
}

}  // namespace

Result<void> sandbox_available() {
  static std::mutex mutex;
  static bool available = false;
  const std::lock_guard lock(mutex);
  if (available) return {};
  auto found = try_one();
  available = found.ok();
  if (available) return {};
  return Error{found.error().code, found.error().message + kLastWayOut};
}

}  // namespace pyember::host

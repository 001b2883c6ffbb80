#include "cli/doctor/kernel_checks.h"

#include <errno.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <map>

#include "base/landlock.h"
#include "cli/doctor/command_output.h"
#include "cli/terminal.h"

#if defined(__linux__)
#include <linux/seccomp.h>
#endif

namespace pyember::cli {

namespace {

constexpr const char* kSection = "Kernel";

std::string outcome(bool worked) { return worked ? "ok" : std::strerror(errno); }

#if defined(__linux__)
std::string landlock_rules() {
  return outcome(syscall(landlock::kCreateRuleset, nullptr, 0, landlock::kAskVersion) > 0);
}

std::string seccomp() {
  const std::uint32_t action = SECCOMP_RET_ERRNO;
  return outcome(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0);
}

// The control group this process is in, where memory is accounted, and whether we may make one
// below it. Only version 2 is looked at: nothing else knows memory.peak.
std::string control_group() {
  std::ifstream own("/proc/self/cgroup");
  for (std::string line; std::getline(own, line);) {
    if (!line.starts_with("0::")) continue;
    const std::string folder = "/sys/fs/cgroup" + line.substr(3);
    std::ifstream controllers(folder + "/cgroup.controllers");
    std::string names;
    std::getline(controllers, names);
    if (names.find("memory") == std::string::npos) return "the memory controller is not on";
    return access(folder.c_str(), W_OK) == 0 ? "ok" : "not ours to divide";
  }
  return "no control groups of version 2";
}
#endif

struct Feature {
  const char* name;  // as the probe prints it
  const char* title;
  FindingState without;
  const char* gives;
  const char* advice;
};

constexpr Feature kFeatures[] = {
    {"own_tables", "unshare", FindingState::Problem,
     "sessions have descriptors and a working directory of their own",
     "Sessions can't be kept apart here. A container's seccomp profile may forbid unshare(): allow "
     "it, or run pyember outside."},
    {"user_namespace", "user namespaces", FindingState::Note,
     "scripts can be run without a network by a namespace",
     "Without them no_network falls back to seccomp. Where the system allows it: sysctl "
     "user.max_user_namespaces=15000 (Debian before 11: kernel.unprivileged_userns_clone=1; "
     "Ubuntu: kernel.apparmor_restrict_unprivileged_userns=0)."},
    {"landlock", "Landlock", FindingState::Note, "files can be fenced off for a thread",
     "Linux 5.13 or newer has it; add landlock to the kernel's lsm= list."},
    {"seccomp", "seccomp", FindingState::Warning, "system calls can be refused for a script",
     "no_network may be refused. A kernel built with CONFIG_SECCOMP_FILTER has it."},
    {"control_group", "control groups", FindingState::Note,
     "peak memory is counted for a whole process tree",
     "Peak memory is that of the largest process, and says so. Start pyember in a group of its own "
     "to have it counted: systemd-run --user --scope -p Delegate=yes pyember serve."},
};

}  // namespace

int probe_kernel() {
  std::string answer;
  const auto tell = [&](const char* name, const std::string& text) {
    answer += fmt::format("{}={}\n", name, text);
  };
#if defined(__linux__)
  tell("own_tables", outcome(unshare(CLONE_FS | CLONE_FILES) == 0));
  tell("landlock", landlock_rules());
  tell("seccomp", seccomp());
  tell("control_group", control_group());
  tell("user_namespace", outcome(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0));
#endif
  return Terminal::out().write(answer) ? 0 : 1;
}

void add_kernel_findings(Findings& findings, host::EventLoop& loop) {
  const CommandOutput probe = output_of(loop, {own_program(), "doctor", kKernelProbe});
  std::map<std::string, std::string, std::less<>> answers;
  std::string_view rest = probe.text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t equals = line.find('=');
    if (equals != std::string_view::npos) {
      answers.emplace(line.substr(0, equals), line.substr(equals + 1));
    }
  }
  for (const Feature& feature : kFeatures) {
    const auto answer = answers.find(feature.name);
    const std::string why = answer == answers.end() ? "not known on this system" : answer->second;
    if (why == "ok") {
      findings.push_back({kSection, feature.title, FindingState::Ok, feature.gives, ""});
    } else {
      findings.push_back({kSection, feature.title, feature.without, why, feature.advice});
    }
  }
}

}  // namespace pyember::cli

#include "host/boundaries/sandbox_system.h"

#include <linux/capability.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>

#include "base/small_file.h"
#include "host/options.h"

namespace pyember::host {

namespace {

// Whether a map of ids (/proc/self/uid_map) has the sandbox's in it.
bool maps_sandbox_user(const char* map) {
  const std::string text = read_small_file(map, 16384);
  for (std::size_t at = 0; at < text.size();) {
    unsigned first = 0;
    unsigned outside = 0;
    unsigned count = 0;
    if (std::sscanf(text.c_str() + at, "%u %u %u", &first, &outside, &count) != 3) return false;
    if (first <= kSandboxUser && kSandboxUser - first < count) return true;
    const std::size_t end = text.find('\n', at);
    if (end == std::string::npos) return false;
    at = end + 1;
  }
  return false;
}

bool holds(std::initializer_list<int> capabilities) {
  const std::string status = read_small_file("/proc/self/status", 8192);
  const std::size_t at = status.find("\nCapEff:");
  if (at == std::string::npos) return false;
  const auto held = std::strtoull(status.c_str() + at + 8, nullptr, 16);
  return std::all_of(capabilities.begin(), capabilities.end(),
                     [held](int each) { return (held >> each & 1) != 0; });
}

}  // namespace

bool may_become_sandbox_user() { return may_change_user() && holds({CAP_SYS_ADMIN, CAP_CHOWN}); }

bool may_change_user() {
  return geteuid() == 0 && holds({CAP_SETUID, CAP_SETGID, CAP_SETPCAP}) &&
         maps_sandbox_user("/proc/self/uid_map") && maps_sandbox_user("/proc/self/gid_map");
}

Result<std::string> enter_program() {
  std::string found = find_enter();
  if (!found.empty()) return found;
  return Error{ErrorCode::Unavailable,
               "The sandbox can't be used: pyember-enter, which takes the last steps into it, is "
               "not beside this program. Install pyember again, or name it with PYEMBER_ENTER."};
}

}  // namespace pyember::host

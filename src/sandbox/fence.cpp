#include "sandbox/fence.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "base/landlock.h"
#include "base/unique_fd.h"

namespace pyember::sandbox {

namespace {

using namespace landlock;

constexpr std::uint64_t kRead = Execute | ReadFile | ReadDirectory;
constexpr std::uint64_t kOfFiles = Execute | ReadFile | WriteFile | Truncate | ControlDevice;

struct Powers {
  std::uint64_t all = 0;  // of those this kernel can keep
  RulesetAttributes attributes;
  std::size_t size = 0;  // of the attributes this kernel knows
};

Powers powers_of(int version) {
  Powers powers;
  powers.all = (Truncate << 1) - 1;
  powers.size = sizeof(std::uint64_t);
  if (version >= kVersionWithNetwork) {
    powers.attributes.network = 3;  // bind and connect, TCP
    powers.size = 2 * sizeof(std::uint64_t);
  }
  if (version >= kVersionWithDevices) powers.all |= ControlDevice;
  if (version >= kVersionWithScopes) {
    powers.attributes.scoped = 3;  // abstract sockets, signals
    powers.size = 3 * sizeof(std::uint64_t);
  }
  powers.attributes.files = powers.all;
  return powers;
}

Failure allow(int ruleset, const std::string& path, std::uint64_t what) {
  const UniqueFd place(open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status {};
  if (!place || fstat(place.get(), &status) != 0) return failed("fencing in " + path);
  const PathBeneath rule{S_ISDIR(status.st_mode) ? what : what & kOfFiles, place.get()};
  return syscall(kAddRule, ruleset, kPathBeneath, &rule, 0) == 0 ? Failure{}
                                                                 : failed("fencing in " + path);
}

Failure refuse_old_kernel(const Options& options, int version) {
  if (version < kVersionWithTruncate) {
    return {"no fence can be put up: the kernel's Landlock is missing, or older than Linux 6.2"};
  }
  if (version < kVersionWithScopes && !options.user) {
    return {
        "no fence can be put up: before Linux 6.12 Landlock lets code signal its own user's "
        "processes, the server among them"};
  }
  return {};
}

}  // namespace

Failure put_up_fence(const Options& options) {
  if (options.may_read.empty() && options.may_change.empty()) return {};
  const auto version = static_cast<int>(syscall(kCreateRuleset, nullptr, 0, kAskVersion));
  if (auto failure = refuse_old_kernel(options, version)) return failure;
  const Powers powers = powers_of(version);
  const UniqueFd ruleset(
      static_cast<int>(syscall(kCreateRuleset, &powers.attributes, powers.size, 0)));
  if (!ruleset) return failed("making the fence");
  constexpr std::uint64_t kNever = MakeCharacterDevice | MakeBlockDevice | Execute;
  for (const std::string& path : options.may_read) {
    if (auto failure = allow(ruleset.get(), path, kRead)) return failure;
  }
  for (const std::string& path : options.may_change) {
    if (auto failure = allow(ruleset.get(), path, powers.all & ~kNever)) return failure;
  }
  return syscall(kRestrictSelf, ruleset.get(), 0) == 0 ? Failure{} : failed("putting up the fence");
}

}  // namespace pyember::sandbox

#include "embed/confinement.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/landlock.h"
#include "base/local_sockets.h"
#include "embed/session_slot.h"

// Why the rest of the machinery goes on working on a confined thread:
//
// - Landlock looks at paths when something is opened. Descriptors that are open stay as they are,
//   and what lies on file systems that nobody can mount (pipes, sockets, memfd) is never refused,
//   also when it is opened by its name in /proc: that is how a session's outputs are mended.
// - The filter refuses sockets alone. Futexes, signals, mappings and descriptors don't meet it.
// - Reading is free everywhere, so imports and /proc work. CPython does without the byte code it
//   can't write.

namespace pyember::embed {

namespace {

using namespace landlock;

constexpr std::uint64_t kFileWrites = WriteFile | Truncate;
constexpr std::uint64_t kAllWrites =
    kFileWrites | RemoveDirectory | RemoveFile | MakeCharacterDevice | MakeDirectory |
    MakeRegularFile | MakeSocket | MakeFifo | MakeBlockDevice | MakeSymbolicLink | Refer;

// The data goes nowhere; programs and shells expect to be able to write there.
constexpr const char* kAlwaysWritable[] = {"/dev/null", "/dev/zero", "/dev/full"};

template <typename... Arguments>
int call_landlock(long call, Arguments... arguments) {
  const ServerScope server;
  return static_cast<int>(syscall(call, arguments...));
}

Error cannot_confine(const std::string& why, const char* instead) {
  return {ErrorCode::Unavailable,
          fmt::format("The session was not opened, because it can't be confined as asked: {}. {}",
                      why, instead)};
}

// Allows writing at `path` and below. 0, or the errno of what failed.
int allow_writes(int ruleset, const char* path) {
  const int place = open(path, O_PATH | O_CLOEXEC);
  if (place < 0) return errno;
  struct stat status {};
  int failed = fstat(place, &status) != 0 ? errno : 0;
  if (!failed) {
    const PathBeneath rule{S_ISDIR(status.st_mode) ? kAllWrites : kFileWrites, place};
    if (call_landlock(kAddRule, ruleset, kPathBeneath, &rule, 0) != 0) failed = errno;
  }
  close(place);
  return failed;
}

Result<int> new_ruleset() {
  const int version = call_landlock(kCreateRuleset, nullptr, std::size_t{0}, kAskVersion);
  if (version < kVersionWithTruncate) {
    const std::string why =
        version < 0
            ? fmt::format("it has none ({})", strerror(errno))
            : fmt::format("it offers version {}, and emptying files is held from 3 on", version);
    return cannot_confine(
        fmt::format("writes are kept to their paths by the kernel's Landlock, and {}", why),
        "Leave the paths to write to out, or use Linux 6.2 or newer with `landlock` among its "
        "security modules (/sys/kernel/security/lsm).");
  }
  const RulesetAttributes attributes{.files = kAllWrites};
  const int ruleset = call_landlock(kCreateRuleset, &attributes, sizeof attributes.files, 0);
  if (ruleset >= 0) return ruleset;
  return cannot_confine(fmt::format("no Landlock rules could be made ({})", strerror(errno)),
                        "Close sessions or files, or raise the limit on open files (ulimit -n).");
}

Error cannot_write_to(const std::string& path, const std::string& why) {
  return {ErrorCode::InvalidArgument,
          fmt::format("The session was not opened, because a path that it may write to is of no "
                      "use: {} {}. Name absolute paths of folders or files that exist, and make "
                      "them first if need be.",
                      path.empty() ? "an empty one" : path, why)};
}

}  // namespace

Result<std::unique_ptr<Fence>> Fence::make(const Confinement& confinement,
                                           const std::string& folder) {
  if (confinement.no_network) {
    const ServerScope server;
    if (!can_allow_only_local_sockets()) {
      return cannot_confine("the network is kept away by a seccomp filter, and the kernel has none",
                            "Allow the network, or use a kernel with CONFIG_SECCOMP_FILTER on "
                            "x86-64 or arm64.");
    }
  }
  std::unique_ptr<Fence> fence(new Fence(confinement.no_network));
  if (!confinement.write_paths) return fence;
  if (auto prepared = fence->prepare_writes(confinement, folder); !prepared) {
    return prepared.error();
  }
  return fence;
}

Fence::~Fence() {
  if (ruleset_ >= 0) close(ruleset_);
}

Result<void> Fence::prepare_writes(const Confinement& confinement, const std::string& folder) {
  auto ruleset = new_ruleset();
  if (!ruleset) return ruleset.error();
  ruleset_ = ruleset.value();
  std::vector<std::string> paths = *confinement.write_paths;
  if (!folder.empty()) paths.push_back(folder);
  for (const std::string& path : paths) {
    if (path.empty() || path[0] != '/') return cannot_write_to(path, "is not absolute");
    if (path.find('\0') != path.npos) return cannot_write_to(path.c_str(), "holds a NUL");
    if (const int failed = allow_writes(ruleset_, path.c_str())) {
      return cannot_write_to(path, fmt::format("can't be opened ({})", strerror(failed)));
    }
  }
  // One that is missing (a small container) can't be written to either way.
  for (const char* device : kAlwaysWritable) allow_writes(ruleset_, device);
  return {};
}

Result<void> Fence::put_up() const {
  const ServerScope server;
  const char* failed = nullptr;
  if (ruleset_ >= 0 &&
      (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(kRestrictSelf, ruleset_, 0) != 0)) {
    failed = "Landlock";
  } else if (no_network_ && !allow_only_local_sockets(EPERM)) {
    failed = "the seccomp filter";
  }
  if (!failed) return {};
  return cannot_confine(fmt::format("the kernel refused {} ({})", failed, strerror(errno)),
                        "Ask for less, or run the server where it is allowed (a container's own "
                        "filter may be in the way).");
}

std::string describe_confinement(const SessionOptions& options) {
  const Confinement& confinement = options.confinement;
  if (!confinement.any()) return {};
  std::vector<std::string> limits;
  if (confinement.no_network) limits.emplace_back("it has no network");
  if (confinement.write_paths) {
    std::vector<std::string> places = *confinement.write_paths;
    if (!options.folder.empty()) places.push_back(options.folder);
    limits.push_back(places.empty() ? "it writes to no file"
                                    : fmt::format("it writes only to {}", fmt::join(places, ", ")));
  }
  return fmt::format(
      "This session is confined: {}. That may be why permission was refused here; it can't be "
      "undone, so use another session for what needs more.",
      fmt::join(limits, ", and "));
}

}  // namespace pyember::embed

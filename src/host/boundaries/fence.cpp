#include "host/boundaries/fence.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>
#include <string_view>

#include "host/boundaries/sandbox_system.h"
#include "host/boundaries/seccomp_program.h"
#include "host/boundaries/trial.h"

namespace pyember::host {

namespace {

using Arguments = std::vector<std::string>;

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

bool is_of_sandbox_user(const std::string& folder) {
  struct stat status {};
  return stat(folder.c_str(), &status) == 0 && status.st_uid == kSandboxUser;
}

void append(Arguments& to, std::initializer_list<std::string> what) {
  to.insert(to.end(), what.begin(), what.end());
}

Error no_other_place(const SandboxPath& path) {
  return {
      ErrorCode::InvalidArgument,
      fmt::format("The fence can't show {} as {}: without namespaces everything is where it is. "
                  "Allow it at its own path, or use a sandbox.",
                  path.outside, path.inside)};
}

// The fence has no way to a socket of the file system: its filter knows no addresses.
Error no_sockets() {
  return {ErrorCode::InvalidArgument,
          "The fence lets code to no host: it can refuse sockets, and not tell one from another. "
          "Leave the hosts out, or use a sandbox, for which user namespaces have to be allowed."};
}

Result<void> add_paths(Arguments& to, const char* how, const std::vector<SandboxPath>& paths) {
  for (const SandboxPath& each : paths) {
    if (!each.inside.empty() && each.inside != each.outside) return no_other_place(each);
    if (!each.optional || exists(each.outside)) append(to, {how, each.outside});
  }
  return {};
}

void add_system(Arguments& to) {
  append(to, {"--may-read", "/usr", "--may-read", "/proc"});
  for (const char* path : kSystemFolders) {
    if (exists(path)) append(to, {"--may-read", path});
  }
  for (const char* path : kSharedSettings) {
    if (exists(path)) append(to, {"--may-read", path});
  }
  for (const char* path : kSharedDevices) {
    if (exists(path)) append(to, {"--may-change", path});
  }
}

void add_limit(Arguments& to, const char* name, const std::optional<std::uint64_t>& value) {
  if (value) append(to, {"--limit", fmt::format("{}={}", name, *value)});
}

// What stands for the sandbox's private folders becomes the folders there are.
Arguments environment_in(const FencedFolders& folders, const Arguments& planned) {
  Arguments environment;
  for (const std::string& each : planned) {
    const std::string_view name = std::string_view(each).substr(0, each.find('='));
    const bool is_place =
        name == "HOME" || name == "TMPDIR" || name == "XDG_CACHE_HOME" || name == "MPLCONFIGDIR";
    if (!is_place) environment.push_back(each);
  }
  const std::string& temporary = folders.temporary;
  append(environment,
         {"HOME=" + folders.own, "TMPDIR=" + temporary, "XDG_CACHE_HOME=" + temporary + "/.cache",
          "MPLCONFIGDIR=" + temporary + "/.cache/matplotlib"});
  return environment;
}

}  // namespace

Result<SandboxCommand> fenced_command(const SandboxPlan& plan, const FencedFolders& folders,
                                      std::vector<std::string> program) {
  const Result<std::string> enter = enter_program();
  if (!enter) return enter.error();
  const auto filter = fence_filter();
  if (!filter) return filter.error();
  if (!plan.sockets.empty()) return no_sockets();

  SandboxCommand command;
  Arguments& to = command.arguments;
  to.push_back(enter.value());
  for (const std::string& group : plan.control_groups) append(to, {"--join", group});
  add_system(to);
  if (auto added = add_paths(to, "--may-read", plan.read_only); !added) return added.error();
  if (auto added = add_paths(to, "--may-read", plan.read_write); !added) return added.error();
  if (auto added = add_paths(to, "--may-change", plan.read_write); !added) return added.error();
  append(to, {"--may-change", folders.own});
  if (folders.temporary != folders.own) append(to, {"--may-change", folders.temporary});
  append(to, {"--limit", "core=0"});
  add_limit(to, "address-space", plan.limits.address_space_bytes);
  add_limit(to, "file-size", plan.limits.file_size_bytes);
  add_limit(to, "open-files", plan.limits.open_files);
  if (is_of_sandbox_user(folders.own) && may_change_user()) {
    append(to, {"--user", fmt::format("{}:{}", kSandboxUser, kSandboxUser)});
  }
  append(to, {"--chdir", folders.own, "--confine", std::to_string(kSandboxFilterDescriptor), "--"});
  to.insert(to.end(), std::make_move_iterator(program.begin()),
            std::make_move_iterator(program.end()));
  command.environment = environment_in(folders, plan.environment);
  command.descriptors = {{kSandboxFilterDescriptor, filter.value()}};
  return command;
}

Result<void> fence_available() {
  static std::mutex mutex;
  static bool available = false;
  const std::lock_guard lock(mutex);
  if (available) return {};
  const Result<std::string> enter = enter_program();
  if (!enter) return enter.error();
  SandboxPlan plan;
  plan.read_only = {{enter.value()}};
  auto command = fenced_command(plan, {"/usr", "/usr"}, {enter.value(), "--version"});
  if (!command) return command.error();
  const std::string said = try_out(command.take());
  available = said.empty();
  if (available) return {};
  return Error{ErrorCode::Unavailable,
               fmt::format("The fence can't be used here: putting one up failed ({}). Use Linux "
                           "6.12 or newer with `landlock` among its security modules "
                           "(/sys/kernel/security/lsm), or another isolation.",
                           said)};
}

}  // namespace pyember::host

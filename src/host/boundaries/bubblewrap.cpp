#include "host/boundaries/bubblewrap.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "host/boundaries/sandbox_system.h"
#include "host/boundaries/seccomp_program.h"
#include "host/environments/program_path.h"

// The order of bubblewrap's file operations is the order of its arguments, so folders come before
// what is bound below them. What the inner pyember-enter does with the private folders and the root
// needs CAP_SYS_ADMIN, which it gives up before the program begins.

namespace pyember::host {

namespace {

using Arguments = std::vector<std::string>;

constexpr const char* kEndDescriptor = "10";  // by which the inside sees bubblewrap end

constexpr std::pair<const char*, const char*> kOwnSettings[] = {
    {"/etc/passwd",
     "root:x:0:0:root:/root:/sbin/nologin\n"
     "nobody:x:65534:65534:nobody:/workspace:/bin/sh\n"},
    {"/etc/group", "root:x:0:\nnogroup:x:65534:\n"},
    {"/etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n"},
    {"/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"}};

// They would show the server's keyrings and the machine's memory.
constexpr const char* kHiddenInProc[] = {"/proc/keys", "/proc/key-users", "/proc/kcore",
                                         "/proc/timer_list"};

bool is_below(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

void append(Arguments& to, std::initializer_list<std::string> what) {
  to.insert(to.end(), what.begin(), what.end());
}

void separate(Arguments& to, bool as_root) {
  append(to, {"--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
              "--unshare-cgroup-try", "--hostname", "sandbox", "--die-with-parent", "--new-session",
              "--as-pid-1", "--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN", "--cap-add",
              "CAP_SETPCAP"});
  if (as_root) {
    append(to, {"--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_CHOWN"});
  } else {
    const std::string user = std::to_string(kSandboxUser);
    append(to, {"--unshare-user", "--uid", user, "--gid", user});
  }
}

// --- what is in it

// Writes the arguments for what is bound, with the folders above it, which bubblewrap would make
// for itself with rights that depend on what is bound.
class Contents {
 public:
  explicit Contents(Arguments& to) : to_(to) {}

  void folder(const std::string& path) {
    make_above(path);
    make(path);
  }
  void memory(const std::string& path) {
    make_above(path);
    append(to_, {"--tmpfs", path});
    made_.push_back(path);
  }
  void link(const std::string& path, const std::string& target) {
    if (is_bound(path)) return;
    make_above(path);
    append(to_, {"--symlink", target, path});
  }
  void text(int descriptor, const std::string& path) {
    make_above(path);
    append(to_, {"--perms", "0644", "--ro-bind-data", std::to_string(descriptor), path});
  }
  void bind(const char* how, const std::string& outside, const std::string& inside) {
    make_above(inside);
    append(to_, {how, outside, inside});
    bound_.push_back(inside);
  }
  // Whether something bound has it in it, or would.
  bool is_bound(const std::string& path) const {
    return std::any_of(bound_.begin(), bound_.end(),
                       [&](const std::string& each) { return is_below(path, each); });
  }

 private:
  void make_above(const std::string& path) {
    for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      make(path.substr(0, slash));
    }
  }
  void make(const std::string& path) {
    if (is_bound(path) || std::find(made_.begin(), made_.end(), path) != made_.end()) return;
    append(to_, {"--dir", path});
    made_.push_back(path);
  }

  Arguments& to_;
  Arguments made_;
  Arguments bound_;
};

// Programs and libraries: /usr, and /bin, /lib and the like, which are links into it where the
// system is not old.
void add_system(Contents& contents) {
  contents.bind("--ro-bind", "/usr", "/usr");
  for (const char* name : kSystemFolders) {
    char target[256];
    const ssize_t length = readlink(name, target, sizeof target);
    if (length > 0) {
      contents.link(name, std::string(target, static_cast<std::size_t>(length)));
    } else if (exists(name)) {
      contents.bind("--ro-bind", name, name);
    }
  }
  for (const char* path : kSharedSettings) {
    if (exists(path)) contents.bind("--ro-bind-try", path, path);
  }
}

void add_devices(Arguments& to, Contents& contents) {
  append(to, {"--proc", "/proc"});
  for (const char* path : kHiddenInProc) {
    if (exists(path)) append(to, {"--ro-bind", "/dev/null", path});
  }
  for (const char* path : kSharedDevices) contents.bind("--dev-bind", path, path);
  contents.link("/dev/fd", "/proc/self/fd");
  contents.link("/dev/stdin", "/proc/self/fd/0");
  contents.link("/dev/stdout", "/proc/self/fd/1");
  contents.link("/dev/stderr", "/proc/self/fd/2");
}

struct Binding {
  const char* how;
  std::string outside;
  std::string inside;
};

std::vector<Binding> bindings_of(const SandboxPlan& plan) {
  std::vector<Binding> all;
  const auto add = [&](const std::vector<SandboxPath>& paths, const char* must, const char* may) {
    for (const SandboxPath& each : paths) {
      const std::string& inside = each.inside.empty() ? each.outside : each.inside;
      all.push_back({each.optional ? may : must, each.outside, inside});
    }
  };
  add(plan.read_only, "--ro-bind", "--ro-bind-try");
  add(plan.sockets, "--ro-bind", "--ro-bind-try");
  add(plan.read_write, "--bind", "--bind-try");
  std::stable_sort(all.begin(), all.end(),
                   [](const Binding& a, const Binding& b) { return a.inside < b.inside; });
  return all;
}

// Whether the machine's /lib/… is the sandbox's: a link into /usr there, and here.
bool is_of_the_system(const std::string& path) {
  if (is_below(path, "/usr")) return true;
  for (const char* name : kSystemFolders) {
    if (is_below(path, name)) return true;
  }
  return false;
}

void add_contents(Arguments& to, const SandboxPlan& plan, const std::string& enter) {
  Contents contents(to);
  contents.folder("/etc");
  contents.folder("/dev");
  add_system(contents);
  add_devices(to, contents);
  for (const SandboxFolder& folder : plan.folders) contents.memory(folder.path);
  std::vector<Binding> added;
  for (const Binding& each : bindings_of(plan)) {
    const bool shows_the_same = each.outside == each.inside;
    const bool read_only = std::string_view(each.how).starts_with("--ro");
    if (shows_the_same && read_only && is_of_the_system(each.inside)) continue;
    // Below one that is bound already, in the same way: it is there.
    const bool is_there = std::any_of(added.begin(), added.end(), [&](const Binding& above) {
      return std::string_view(above.how) == each.how && above.outside == above.inside &&
             shows_the_same && is_below(each.inside, above.inside);
    });
    if (is_there) continue;
    contents.bind(each.how, each.outside, each.inside);
    added.push_back(each);
  }
  for (const auto& [path, target] : plan.links) contents.link(path, target);
  for (const SandboxFile& each : plan.files) contents.text(each.descriptor, each.path);
  contents.bind("--ro-bind", enter, kEnterInSandbox);
}

// --- the steps inside ----------------------------------------------------------------------------

void add_limit(Arguments& to, const char* name, const std::optional<std::uint64_t>& value) {
  if (value) append(to, {"--limit", fmt::format("{}={}", name, *value)});
}

void add_steps(Arguments& to, const SandboxPlan& plan, bool as_root) {
  for (const SandboxFolder& each : plan.folders) {
    append(to, {"--private",
                fmt::format("{}:{}:{}:{:o}", each.path, each.bytes, each.inodes, each.mode)});
  }
  for (const auto& [path, text] : kOwnSettings) append(to, {"--text", path, text});
  if (as_root) {
    for (const std::string& each : plan.owned) append(to, {"--own", each});
  }
  if (!plan.variables_prefix.empty()) append(to, {"--variables", plan.variables_prefix});
  append(to, {"--read-only-root", "--limit", "core=0"});
  add_limit(to, "address-space", plan.limits.address_space_bytes);
  add_limit(to, "file-size", plan.limits.file_size_bytes);
  add_limit(to, "open-files", plan.limits.open_files);
  if (as_root) append(to, {"--user", fmt::format("{}:{}", kSandboxUser, kSandboxUser)});
  if (plan.limits.processes) {
    append(to, {"--processes", std::to_string(*plan.limits.processes)});
  }
  append(to, {"--chdir", plan.working_directory, "--confine",
              std::to_string(kSandboxFilterDescriptor), "--first-process", kEndDescriptor});
}

Error no_bubblewrap() {
  const char* const given = std::getenv("PYEMBER_BWRAP");
  if (given != nullptr && *given != '\0') {
    return {ErrorCode::Unavailable,
            fmt::format("The sandbox can't be used: PYEMBER_BWRAP names {}, which is no program. "
                        "Correct or unset it.",
                        given)};
  }
  return {ErrorCode::Unavailable,
          "The sandbox can't be used: bubblewrap is not installed (no bwrap on PATH). Install it "
          "(Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap), name it with "
          "PYEMBER_BWRAP, or use another isolation."};
}

}  // namespace

std::string find_bubblewrap() {
  const char* const given = std::getenv("PYEMBER_BWRAP");
  if (given != nullptr && *given != '\0') return is_program(given) ? given : "";
  return program_on_path("bwrap");
}

Result<SandboxCommand> sandbox_command(const SandboxPlan& plan, std::vector<std::string> program) {
  const Result<std::string> enter = enter_program();
  if (!enter) return enter.error();
  const std::string bubblewrap = find_bubblewrap();
  if (bubblewrap.empty()) return no_bubblewrap();
  const auto filter = sandbox_filter();
  if (!filter) return filter.error();

  const bool as_root = may_become_sandbox_user();
  SandboxCommand command;
  Arguments& to = command.arguments;
  to.push_back(enter.value());
  for (const std::string& group : plan.control_groups) append(to, {"--join", group});
  if (plan.outlasts_term) to.emplace_back("--outlast-term");
  append(to, {"--show-own-end", kEndDescriptor, "--", bubblewrap});
  separate(to, as_root);
  add_contents(to, plan, enter.value());
  append(to, {"--", kEnterInSandbox});
  add_steps(to, plan, as_root);
  to.push_back("--");
  to.insert(to.end(), std::make_move_iterator(program.begin()),
            std::make_move_iterator(program.end()));
  command.environment = plan.environment;
  command.descriptors = {{kSandboxFilterDescriptor, filter.value()}};
  return command;
}

}  // namespace pyember::host

#include "host/boundaries/seccomp_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>

#include "base/file_io.h"
#include "base/unique_fd.h"

// Allowed is what is not named: a list of what is allowed would have to follow every package and C
// library, and what such lists (of container runtimes) leave out is what is named here. What the
// kernel gets in years to come is refused by number, before libseccomp's rules are looked at.
//
// Order of costs: the kernel remembers, for each call that is allowed whatever its arguments, that
// it needs no look at the filter (5.11), so that a warm cell pays for the rules on arguments alone:
// those of ioctl, clone, socket, mknod and personality.

namespace pyember::host {

namespace {

// The last call that was looked at when this list was made: mseal, Linux 6.10. The numbers from 424
// on are the same on every architecture.
constexpr std::uint32_t kLastKnownCall = 462;
constexpr int kLowestNumber = 64;
constexpr std::uint32_t kForeignCalls = 0x40000000;  // x32, which libseccomp's own check refuses

constexpr const char* kRefused[] = {
    // What is mounted where.
    "mount", "umount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen",
    "fsconfig", "fsmount", "fspick", "mount_setattr", "quotactl", "quotactl_fd", "swapon",
    "swapoff", "open_by_handle_at", "name_to_handle_at", "fanotify_init", "fanotify_mark",
    // Namespaces; clone() is looked at below.
    "unshare", "setns",
    // Other processes' memory and descriptors.
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
    "migrate_pages", "move_pages", "mbind", "set_mempolicy",
    // Keyrings belong to users, not to namespaces.
    "add_key", "request_key", "keyctl",
    // Large interfaces with a history.
    "bpf", "perf_event_open", "io_uring_setup", "io_uring_enter", "io_uring_register",
    "userfaultfd", "vmsplice",
    // The machine.
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module",
    "create_module", "get_kernel_syms", "query_module", "reboot", "acct", "syslog", "settimeofday",
    "clock_settime", "clock_settime64", "clock_adjtime", "clock_adjtime64", "adjtimex", "stime",
    "sethostname", "setdomainname", "iopl", "ioperm", "vhangup",
    // Relics.
    "modify_ldt", "vm86", "vm86old", "uselib", "ustat", "sysfs", "_sysctl", "nfsservctl",
    "lookup_dcookie", "bdflush", "afs_syscall", "tuxcall", "vserver", "getpmsg", "putpmsg"};

class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_ALLOW), seccomp_release) {
    note(context_ ? 0 : -ENOMEM);
    // Calls by the numbers of another architecture.
    note(seccomp_attr_set(context_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)));
    note(seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2));  // a tree, not a list
  }

  // A call this architecture does not have needs no rule.
  void refuse(const char* call, int error = EPERM) {
    const int number = seccomp_syscall_resolve_name(call);
    if (number < 0) return;
    note(seccomp_rule_add_array(context_.get(), SCMP_ACT_ERRNO(error), number, 0, nullptr));
  }

  template <typename... Conditions>
  void refuse_when(const char* call, int error, Conditions... conditions) {
    const scmp_arg_cmp all[] = {conditions...};
    note(seccomp_rule_add_array(context_.get(), SCMP_ACT_ERRNO(error),
                                seccomp_syscall_resolve_name(call), sizeof...(conditions), all));
  }

  // 0, or the errno of the first thing that failed.
  int error() const { return -first_error_; }
  int export_to(int descriptor) { return -seccomp_export_bpf(context_.get(), descriptor); }

 private:
  void note(int result) {
    if (result < 0 && first_error_ == 0) first_error_ = result;
  }

  std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
  int first_error_ = 0;
};

// The kernel looks at 32 bits of these arguments, so the others must not hide a value from us.
scmp_arg_cmp is(unsigned argument, std::uint32_t value, std::uint32_t mask = ~0u) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}
scmp_arg_cmp above(unsigned argument, std::uint64_t value) {
  return {argument, SCMP_CMP_GT, value, 0};
}

void refuse_namespaces(Filter& filter) {
  constexpr std::uint32_t kNamespaces[] = {CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS,
                                           CLONE_NEWIPC, CLONE_NEWUSER,   CLONE_NEWPID,
                                           CLONE_NEWNET};
  for (const std::uint32_t each : kNamespaces) {
    filter.refuse_when("clone", EPERM, is(0, each, each));
  }
  // Its flags lie in memory, where no filter looks. The C library goes back to clone().
  filter.refuse("clone3", ENOSYS);
}

// The kernel counts them by user (128), and all sandboxes are of one, or of the server's own: code
// in one could take them all from the others, and from the user's editor. Who watches files that
// way has another one for kernels without.
void refuse_watches(Filter& filter) {
  for (const char* call : {"inotify_init", "inotify_init1"}) filter.refuse(call, ENOSYS);
}

// Of the families Unix and IP only; of IP only what needs no module: TCP, UDP and MPTCP's refusal.
void refuse_sockets(Filter& filter) {
  for (const char* call : {"socket", "socketpair"}) {
    for (std::uint32_t family = 0; family < AF_INET6; ++family) {
      if (family == AF_UNIX || family == AF_INET) continue;
      filter.refuse_when(call, EAFNOSUPPORT, is(0, family));
    }
    filter.refuse_when(call, EAFNOSUPPORT, above(0, AF_INET6));
  }
  for (const std::uint32_t family : {AF_INET, AF_INET6}) {
    for (const std::uint32_t type : {SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET, SOCK_DCCP}) {
      filter.refuse_when("socket", EPERM, is(0, family), is(1, type, 0xf));
    }
    filter.refuse_when("socket", EPROTONOSUPPORT, is(0, family), above(2, IPPROTO_UDP));
  }
}

void refuse_devices(Filter& filter) {
  for (const std::uint32_t kind : {S_IFCHR, S_IFBLK}) {
    filter.refuse_when("mknodat", EPERM, is(2, kind, S_IFMT));
    if (seccomp_syscall_resolve_name("mknod") >= 0) {
      filter.refuse_when("mknod", EPERM, is(1, kind, S_IFMT));
    }
  }
  // Keys typed into somebody's terminal.
  for (const std::uint32_t order : {TIOCSTI, TIOCLINUX}) {
    filter.refuse_when("ioctl", EPERM, is(1, order));
  }
}

// Those that make addresses easy to guess or pages executable. Asking has every bit set.
void refuse_personalities(Filter& filter) {
  constexpr std::uint32_t kAsking = 1u << 31;
  for (const std::uint32_t each : {ADDR_NO_RANDOMIZE, MMAP_PAGE_ZERO, ADDR_COMPAT_LAYOUT,
                                   READ_IMPLIES_EXEC, ADDR_LIMIT_32BIT, ADDR_LIMIT_3GB}) {
    filter.refuse_when("personality", EPERM, is(0, each, each | kAsking));
  }
}

// What namespaces would have kept apart, and Landlock does not look at.
void refuse_what_is_shared(Filter& filter) {
  for (const char* call : {"shmget", "shmat", "shmctl", "semget", "semop", "semtimedop", "semctl",
                           "msgget", "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink", "ipc"}) {
    filter.refuse(call, ENOSYS);
  }
  for (const char* call :
       {"socket",      "chmod",        "fchmod",       "fchmodat", "fchmodat2", "chown",
        "lchown",      "fchown",       "fchownat",     "setxattr", "lsetxattr", "fsetxattr",
        "removexattr", "lremovexattr", "fremovexattr", "utime",    "utimes",    "futimesat",
        "utimensat",   "setpriority",  "ioprio_set"}) {
    filter.refuse(call);
  }
  // 0 is the caller itself.
  for (const char* call : {"prlimit64", "sched_setaffinity", "sched_setscheduler", "sched_setparam",
                           "sched_setattr"}) {
    filter.refuse_when(call, EPERM, above(0, 0));
  }
}

Error cannot_make(const char* step, int error) {
  return {ErrorCode::Unavailable,
          fmt::format("The sandbox can't be used: its seccomp filter could not be {} ({}). Check "
                      "that libseccomp 2.5 or newer is installed and that neither descriptors nor "
                      "memory are exhausted, or use another isolation.",
                      step, std::strerror(error))};
}

// With a high number: those below are given to children under numbers of their own.
UniqueFd above_low_numbers(const UniqueFd& file) {
  return UniqueFd(fcntl(file.get(), F_DUPFD_CLOEXEC, kLowestNumber));
}

UniqueFd memory_file(const char* name) {
  return UniqueFd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

// In front of libseccomp's steps: calls that are younger than the list above don't exist. Its jumps
// are relative and don't mind.
std::string young_calls_refused() {
  const sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offsetof(seccomp_data, nr))),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kForeignCalls, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, kLastKnownCall, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
  };
  return std::string(reinterpret_cast<const char*>(steps), sizeof steps);
}

Result<std::string> compiled_rules(bool of_the_fence) {
  Filter filter;
  if (of_the_fence) refuse_what_is_shared(filter);
  for (const char* call : kRefused) filter.refuse(call);
  refuse_namespaces(filter);
  refuse_watches(filter);
  refuse_sockets(filter);
  refuse_devices(filter);
  refuse_personalities(filter);
  if (const int error = filter.error()) return cannot_make("compiled", error);
  const UniqueFd file = memory_file("seccomp-rules");
  if (!file) return cannot_make("stored", errno);
  if (const int error = filter.export_to(file.get())) return cannot_make("exported", error);
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return cannot_make("stored", errno);
  return read_at(file.get(), 0, static_cast<std::size_t>(status.st_size));
}

Result<UniqueFd> make_filter(bool of_the_fence) {
  auto rules = compiled_rules(of_the_fence);
  if (!rules) return rules.error();
  const UniqueFd file = memory_file("sandbox-filter");
  constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  if (!file || !write_all(file.get(), young_calls_refused() + rules.value()) ||
      fcntl(file.get(), F_ADD_SEALS, kSeals) != 0) {
    return cannot_make("stored", errno);
  }
  UniqueFd kept = above_low_numbers(file);
  if (!kept) return cannot_make("stored", errno);
  return kept;
}

// Made once, and kept.
class KeptFilter {
 public:
  explicit KeptFilter(bool of_the_fence) : of_the_fence_(of_the_fence) {}

  Result<int> get() {
    const std::lock_guard lock(mutex_);
    if (made_) return made_.get();
    auto filter = make_filter(of_the_fence_);
    if (!filter) return filter.error();
    made_ = filter.take();
    return made_.get();
  }

 private:
  const bool of_the_fence_;
  std::mutex mutex_;
  UniqueFd made_;
};

}  // namespace

Result<int> sandbox_filter() {
  static KeptFilter kept(false);
  return kept.get();
}

Result<int> fence_filter() {
  static KeptFilter kept(true);
  return kept.get();
}

}  // namespace pyember::host

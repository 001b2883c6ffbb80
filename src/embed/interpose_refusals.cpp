// What a session may not do to the process it shares: end it, signal it, limit it, change its
// identity or its environment. On a session's thread these fail with EPERM where they can fail;
// what ends the process parks the thread instead, and the session is lost. On the server's own
// threads, and in children, everything is the real thing.
//
// This sees what libpython and extension modules call by name. Code that looks a function up in
// libc's own handle gets past it (ctypes.CDLL("libc.so.6")._exit); the audit hook refuses that
// (audit.h). What is left is in docs/isolation.md.
#undef _FORTIFY_SOURCE  // the checked inline versions would redefine what is defined here
#include "embed/interpose.h"

#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/thread_affinity.h"
#include "embed/children.h"

using namespace pyember::embed;
using namespace pyember::embed::interpose;

namespace {

int refuse() {
  errno = EPERM;
  return -1;
}

bool is_slot_thread(pid_t tid) {
  for (const SlotThread& each : current_slot->threads) {
    if (each.alive.load(std::memory_order_relaxed) && each.tid == tid) return true;
  }
  return false;
}

// A thread of this process that is not the session's; its main thread has the process's number.
bool is_foreign_thread(pid_t tid) {
  if (tid == 0 || is_slot_thread(tid)) return false;
  char path[48];
  snprintf(path, sizeof path, "/proc/self/task/%d", tid);
  return access(path, F_OK) == 0;
}

// A fault that the thread does to itself: the crash handler parks it.
bool is_fault(int number) {
  return number == SIGABRT || number == SIGSEGV || number == SIGBUS || number == SIGFPE ||
         number == SIGILL || number == SIGTRAP;
}

// The process, its group, its parent (the client or the supervisor), or everybody. Signal 0 only
// asks whether a process exists.
bool signal_reaches_us(pid_t pid, int number) {
  if (number == 0) return false;
  if (pid > 1)
    return pid == server_pid() || pid == getppid() || is_slot_thread(pid) || is_foreign_thread(pid);
  return pid == 0 || pid == -1 || pid == 1 || -pid == getpgrp();
}

// The process a pidfd stands for, from its entry in /proc (pidfd_open(2)); 0 when unknown.
pid_t pid_of(int pidfd) {
  char path[64];
  char text[512];
  snprintf(path, sizeof path, "/proc/thread-self/fdinfo/%d", pidfd);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t size = read(fd, text, sizeof text - 1);
  close(fd);
  if (size <= 0) return 0;
  text[size] = '\0';
  const char* field = strstr(text, "\nPid:");
  return field ? atoi(field + 5) : 0;
}

}  // namespace

// --- the end of the process --------------------------------------------------------------------

#define PYEMBER_REFUSE_EXIT(name)                           \
  PYEMBER_INTERPOSE(void, name, int status) {               \
    if (guarded()) park_current_thread(ParkReason::Exited); \
    real_##name(status);                                    \
    __builtin_unreachable();                                \
  }

PYEMBER_REFUSE_EXIT(_exit)
PYEMBER_REFUSE_EXIT(_Exit)
PYEMBER_REFUSE_EXIT(exit)
PYEMBER_REFUSE_EXIT(quick_exit)

// Ends a session's own thread with the GIL held, which would leave the session hanging.
PYEMBER_INTERPOSE(void, pthread_exit, void* value) {
  if (on_session_thread() && in_server_process()) park_current_thread(ParkReason::Exited);
  real_pthread_exit(value);
  __builtin_unreachable();
}

PYEMBER_INTERPOSE(int, pthread_cancel, pthread_t thread) {
  return guarded() ? EPERM : real_pthread_cancel(thread);
}

namespace {

// A session's thread may be held on one CPU for the moment of a hand-over (base/thread_affinity.h);
// a program that is started then must not inherit that for its whole life.
void spread_to_all_cpus() {
  if (current_slot) pyember::release_this_thread_to_all_cpus();
}

}  // namespace

// execve() would put another program in the place of the server. The variadic ones are built on
// the others inside libc, so each has to be refused by its own name.
PYEMBER_INTERPOSE(int, execve, const char* path, char* const* arguments, char* const* environment) {
  if (guarded()) return refuse();
  spread_to_all_cpus();
  return real_execve(path, arguments, environment);
}
PYEMBER_INTERPOSE(int, execv, const char* path, char* const* arguments) {
  if (guarded()) return refuse();
  spread_to_all_cpus();
  return real_execv(path, arguments);
}
PYEMBER_INTERPOSE(int, execvp, const char* file, char* const* arguments) {
  if (guarded()) return refuse();
  spread_to_all_cpus();
  return real_execvp(file, arguments);
}
PYEMBER_INTERPOSE(int, execvpe, const char* file, char* const* arguments,
                  char* const* environment) {
  if (guarded()) return refuse();
  spread_to_all_cpus();
  return real_execvpe(file, arguments, environment);
}
PYEMBER_INTERPOSE(int, fexecve, int fd, char* const* arguments, char* const* environment) {
  if (guarded()) return refuse();
  spread_to_all_cpus();
  return real_fexecve(fd, arguments, environment);
}

namespace {

// The arguments of execl(): the first, then the variadic ones up to and including the null.
std::vector<char*> gather(const char* first, va_list& rest) {
  std::vector<char*> all{const_cast<char*>(first)};
  while (all.back()) all.push_back(va_arg(rest, char*));
  return all;
}

}  // namespace

#define PYEMBER_REFUSE_EXECL(name, target)                                 \
  PYEMBER_INTERPOSE(int, name, const char* path, const char* first, ...) { \
    if (guarded()) return refuse();                                        \
    va_list rest;                                                          \
    va_start(rest, first);                                                 \
    const std::vector<char*> all = gather(first, rest);                    \
    va_end(rest);                                                          \
    return real_##target(path, all.data());                                \
  }

PYEMBER_REFUSE_EXECL(execl, execv)
PYEMBER_REFUSE_EXECL(execlp, execvp)

PYEMBER_INTERPOSE(int, execle, const char* path, const char* first, ...) {
  if (guarded()) return refuse();
  va_list rest;
  va_start(rest, first);
  const std::vector<char*> all = gather(first, rest);
  char* const* environment = va_arg(rest, char* const*);
  va_end(rest);
  return real_execve(path, all.data(), environment);
}

// --- processes -----------------------------------------------------------------------------------

// A forked copy of the server would go on as a server. CPython refuses os.fork() in a session
// itself; its subprocess module forks only to run another program at once (with user= or group=,
// Modules/_posixsubprocess.c: vfork only without them), so CPython may and others may not.
PYEMBER_INTERPOSE(pid_t, fork, void) {
  if (!guarded()) return real_fork();
  Dl_info caller{};
  const bool known = dladdr(__builtin_return_address(0), &caller) != 0 && caller.dli_fname;
  if (!known ||
      (!strstr(caller.dli_fname, "libpython") && !strstr(caller.dli_fname, "_posixsubprocess"))) {
    return refuse();
  }
  const SessionSlot& slot = *current_slot;
  const pid_t pid = real_fork();
  if (pid > 0) note_child(slot, pid);
  return pid;
}

PYEMBER_INTERPOSE(int, daemon, int keep_folder, int keep_streams) {
  return guarded() ? refuse() : real_daemon(keep_folder, keep_streams);
}

using SpawnActions = const posix_spawn_file_actions_t*;
using SpawnAttributes = const posix_spawnattr_t*;

#define PYEMBER_NOTE_SPAWN(name)                                                            \
  PYEMBER_INTERPOSE(int, name, pid_t* pid, const char* path, SpawnActions actions,          \
                    SpawnAttributes attributes, char* const* arguments,                     \
                    char* const* environment) {                                             \
    pid_t own = 0;                                                                          \
    spread_to_all_cpus();                                                                   \
    const int error = real_##name(&own, path, actions, attributes, arguments, environment); \
    if (pid) *pid = own;                                                                    \
    if (error == 0 && guarded()) note_child(*current_slot, own);                            \
    return error;                                                                           \
  }

PYEMBER_NOTE_SPAWN(posix_spawn)
PYEMBER_NOTE_SPAWN(posix_spawnp)

// libc's system() waits in a way that a stop can't end (glibc, sysdeps/posix/system.c).
PYEMBER_INTERPOSE(int, system, const char* command) {
  if (!command || !guarded()) return real_system(command);
  const char* const arguments[] = {"sh", "-c", command, nullptr};
  pid_t child = 0;
  if (posix_spawn(&child, "/bin/sh", nullptr, nullptr, const_cast<char* const*>(arguments),
                  environ) != 0) {
    return -1;
  }
  int status = 0;
  while (waitpid(child, &status, 0) == -1) {
    if (errno == EINTR) continue;
    const int error = errno;
    kill(child, SIGTERM);  // whatever it leaves is ended with the session
    errno = error;
    return -1;
  }
  return status;
}

PYEMBER_INTERPOSE(FILE*, popen, const char* command, const char* mode) {
  spread_to_all_cpus();
  if (guarded()) note_child(*current_slot, 0);
  return real_popen(command, mode);
}

PYEMBER_INTERPOSE(int, setpgid, pid_t pid, pid_t group) {
  const bool own = pid == 0 || pid == server_pid();
  return own && guarded() ? refuse() : real_setpgid(pid, group);
}

#define PYEMBER_REFUSE_0(name) \
  PYEMBER_INTERPOSE(int, name, void) { return guarded() ? refuse() : real_##name(); }
#define PYEMBER_REFUSE_1(name, A) \
  PYEMBER_INTERPOSE(int, name, A a) { return guarded() ? refuse() : real_##name(a); }
#define PYEMBER_REFUSE_2(name, A, B) \
  PYEMBER_INTERPOSE(int, name, A a, B b) { return guarded() ? refuse() : real_##name(a, b); }
#define PYEMBER_REFUSE_3(name, A, B, C)                 \
  PYEMBER_INTERPOSE(int, name, A a, B b, C c) {         \
    return guarded() ? refuse() : real_##name(a, b, c); \
  }

PYEMBER_REFUSE_0(setpgrp)
PYEMBER_REFUSE_0(setsid)

// --- signals -------------------------------------------------------------------------------------

PYEMBER_INTERPOSE(int, kill, pid_t pid, int number) {
  return guarded() && signal_reaches_us(pid, number) ? refuse() : real_kill(pid, number);
}

PYEMBER_INTERPOSE(int, killpg, pid_t group, int number) {
  const bool ours = group == 0 || group == getpgrp() || group <= 1;
  return ours && number != 0 && guarded() ? refuse() : real_killpg(group, number);
}

PYEMBER_INTERPOSE(int, tgkill, pid_t process, pid_t thread, int number) {
  const bool own_fault = is_fault(number) && thread == gettid();
  const bool refused = process == server_pid() && number != 0 && !own_fault && guarded();
  return refused ? refuse() : real_tgkill(process, thread, number);
}

// Every signal that is left to its default would end the process; the thread that raises a fault
// is parked by the crash handler.
PYEMBER_INTERPOSE(int, raise, int number) {
  const bool refused = number != 0 && !is_fault(number) && guarded();
  return refused ? refuse() : real_raise(number);
}

PYEMBER_INTERPOSE(int, pthread_kill, pthread_t thread, int number) {
  const bool own_fault = is_fault(number) && pthread_equal(thread, pthread_self());
  const bool refused = number != 0 && !own_fault && guarded();
  return refused ? EPERM : real_pthread_kill(thread, number);
}

PYEMBER_INTERPOSE(int, pthread_sigqueue, pthread_t thread, int number, union sigval value) {
  return number != 0 && guarded() ? EPERM : real_pthread_sigqueue(thread, number, value);
}

PYEMBER_INTERPOSE(int, sigqueue, pid_t pid, int number, union sigval value) {
  return guarded() && signal_reaches_us(pid, number) ? refuse() : real_sigqueue(pid, number, value);
}

// --- timers and limits
// -----------------------------------------------------------------------------

PYEMBER_INTERPOSE(unsigned, alarm, unsigned seconds) {
  return guarded() ? 0 : real_alarm(seconds);  // has no way to fail; SIGALRM would end the process
}

PYEMBER_INTERPOSE(useconds_t, ualarm, useconds_t first, useconds_t interval) {
  return guarded() ? static_cast<useconds_t>(refuse()) : real_ualarm(first, interval);
}

PYEMBER_REFUSE_3(setitimer, int, const itimerval*, itimerval*)
PYEMBER_REFUSE_3(timer_create, clockid_t, sigevent*, timer_t*)
PYEMBER_REFUSE_2(setrlimit, int, const struct rlimit*)
PYEMBER_REFUSE_2(setrlimit64, int, const struct rlimit64*)

static bool limits_us(pid_t pid, const void* next) {
  return next && (pid == 0 || pid == server_pid()) && guarded();
}

PYEMBER_INTERPOSE(int, prlimit, pid_t pid, int resource, const struct rlimit* next,
                  struct rlimit* old) {
  return limits_us(pid, next) ? refuse() : real_prlimit(pid, resource, next, old);
}

PYEMBER_INTERPOSE(int, prlimit64, pid_t pid, int resource, const struct rlimit64* next,
                  struct rlimit64* old) {
  return limits_us(pid, next) ? refuse() : real_prlimit64(pid, resource, next, old);
}

// --- scheduling
// --------------------------------------------------------------------------------------
//
// On Linux these act on one thread (sched(7)). A session's own thread serves other sessions after
// it and could not raise its priority again.

namespace {

bool is_own_process(pid_t pid) {
  return pid == 0 || pid == server_pid() || is_slot_thread(pid) || is_foreign_thread(pid);
}

}  // namespace

PYEMBER_REFUSE_1(nice, int)

PYEMBER_INTERPOSE(int, setpriority, __priority_which_t which, id_t who, int priority) {
  if (!guarded()) return real_setpriority(which, who, priority);
  const bool child = which == PRIO_PROCESS && !is_own_process(static_cast<pid_t>(who));
  return child ? real_setpriority(which, who, priority) : refuse();
}

PYEMBER_INTERPOSE(int, sched_setscheduler, pid_t pid, int policy, const sched_param* parameters) {
  return guarded() && is_own_process(pid) ? refuse()
                                          : real_sched_setscheduler(pid, policy, parameters);
}

PYEMBER_INTERPOSE(int, sched_setparam, pid_t pid, const sched_param* parameters) {
  return guarded() && is_own_process(pid) ? refuse() : real_sched_setparam(pid, parameters);
}

// A session may choose the CPUs of its own threads.
PYEMBER_INTERPOSE(int, sched_setaffinity, pid_t pid, size_t size, const cpu_set_t* cpus) {
  return guarded() && is_foreign_thread(pid) ? refuse() : real_sched_setaffinity(pid, size, cpus);
}

PYEMBER_INTERPOSE(int, pthread_setschedparam, pthread_t thread, int policy,
                  const sched_param* parameters) {
  return guarded() ? EPERM : real_pthread_setschedparam(thread, policy, parameters);
}

PYEMBER_INTERPOSE(int, pthread_setschedprio, pthread_t thread, int priority) {
  return guarded() ? EPERM : real_pthread_setschedprio(thread, priority);
}

// --- identity, root, namespaces
// ------------------------------------------------------------------------

PYEMBER_REFUSE_1(setuid, uid_t)
PYEMBER_REFUSE_1(setgid, gid_t)
PYEMBER_REFUSE_1(seteuid, uid_t)
PYEMBER_REFUSE_1(setegid, gid_t)
PYEMBER_REFUSE_2(setreuid, uid_t, uid_t)
PYEMBER_REFUSE_2(setregid, gid_t, gid_t)
PYEMBER_REFUSE_3(setresuid, uid_t, uid_t, uid_t)
PYEMBER_REFUSE_3(setresgid, gid_t, gid_t, gid_t)
PYEMBER_REFUSE_2(setgroups, size_t, const gid_t*)
PYEMBER_REFUSE_2(initgroups, const char*, gid_t)
PYEMBER_REFUSE_1(chroot, const char*)
PYEMBER_REFUSE_1(mlockall, int)
PYEMBER_REFUSE_0(munlockall)
PYEMBER_REFUSE_1(unshare, int)
PYEMBER_REFUSE_2(setns, int, int)

PYEMBER_INTERPOSE(int, personality, unsigned long persona) {
  constexpr unsigned long kQuery = 0xffffffff;  // personality(2)
  return persona != kQuery && guarded() ? refuse() : real_personality(persona);
}

namespace {

// Those that only read, or concern nothing but the thread's name and timer slack. The rest change
// the whole process, or a thread that other sessions will use, for good.
bool is_harmless_prctl(int option) {
  switch (option) {
    case PR_SET_NAME:
    case PR_GET_NAME:
    case PR_GET_PDEATHSIG:
    case PR_GET_DUMPABLE:
    case PR_GET_KEEPCAPS:
    case PR_GET_TIMING:
    case PR_GET_SECCOMP:
    case PR_CAPBSET_READ:
    case PR_GET_TSC:
    case PR_GET_SECUREBITS:
    case PR_SET_TIMERSLACK:
    case PR_GET_TIMERSLACK:
    case PR_GET_CHILD_SUBREAPER:
    case PR_GET_NO_NEW_PRIVS:
    case PR_GET_THP_DISABLE:
    case 0x53564d41:  // PR_SET_VMA, which names a mapping (libc's allocator and others use it)
      return true;
    default:
      return false;
  }
}

}  // namespace

PYEMBER_INTERPOSE(int, prctl, int option, ...) {
  va_list rest;
  va_start(rest, option);
  std::array<unsigned long, 4> values;
  for (unsigned long& each : values) each = va_arg(rest, unsigned long);
  va_end(rest);
  if (!is_harmless_prctl(option) && guarded()) return refuse();
  return real_prctl(option, values[0], values[1], values[2], values[3]);
}

// --- the environment
// ---------------------------------------------------------------------------------
//
// environ belongs to the process and is read without a lock. A session has an environment of its
// own on the Python side; children get that.

PYEMBER_REFUSE_1(putenv, char*)
PYEMBER_REFUSE_3(setenv, const char*, const char*, int)
PYEMBER_REFUSE_1(unsetenv, const char*)
PYEMBER_REFUSE_0(clearenv)

// --- memory of this process, by other ways
// -----------------------------------------------------------

PYEMBER_INTERPOSE(ssize_t, process_vm_writev, pid_t pid, const iovec* from,
                  unsigned long from_count, const iovec* to, unsigned long to_count,
                  unsigned long flags) {
  if (guarded() && is_own_process(pid)) return refuse();
  return real_process_vm_writev(pid, from, from_count, to, to_count, flags);
}

PYEMBER_INTERPOSE(long, ptrace, int request, ...) {
  va_list rest;
  va_start(rest, request);
  const pid_t pid = va_arg(rest, pid_t);
  void* address = va_arg(rest, void*);
  void* data = va_arg(rest, void*);
  va_end(rest);
  return guarded() ? refuse() : real_ptrace(request, pid, address, data);
}

// --- syscall()
// -----------------------------------------------------------------------------------------

namespace {

using SyscallArguments = std::array<long, 6>;

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif

// The same rules by number.
bool is_refused_syscall(long number, const SyscallArguments& a) {
  const auto pid = static_cast<pid_t>(a[0]);
  switch (number) {
    case SYS_kill:
    case SYS_rt_sigqueueinfo:
      return signal_reaches_us(pid, static_cast<int>(a[1]));
    case SYS_tkill:
      return is_own_process(pid) && a[1] != 0;
    case SYS_tgkill:
    case SYS_rt_tgsigqueueinfo:
      return pid == server_pid() && a[2] != 0;
    case SYS_pidfd_send_signal: {
      const pid_t target = pid_of(pid);
      return target != 0 && signal_reaches_us(target, static_cast<int>(a[1]));
    }
    case SYS_pidfd_getfd: {
      const pid_t target = pid_of(pid);
      return target == 0 || is_own_process(target);
    }
    case SYS_process_vm_writev:
    case SYS_sched_setscheduler:
    case SYS_sched_setparam:
    case SYS_sched_setattr:
    case SYS_setpgid:
      return is_own_process(pid);
    case SYS_sched_setaffinity:
      return is_foreign_thread(pid);
    case SYS_prlimit64:
      return a[2] != 0 && is_own_process(pid);
    case SYS_prctl:
      return !is_harmless_prctl(static_cast<int>(a[0]));
    case SYS_rt_sigaction:
    case SYS_sigaltstack:
      return a[number == SYS_rt_sigaction ? 1 : 0] != 0;
    case SYS_clone:
    case SYS_clone3:
    case SYS_execve:
    case SYS_execveat:
    case SYS_ptrace:
    case SYS_setrlimit:
    case SYS_setitimer:
    case SYS_timer_create:
    case SYS_setpriority:
    case SYS_setuid:
    case SYS_setgid:
    case SYS_setreuid:
    case SYS_setregid:
    case SYS_setresuid:
    case SYS_setresgid:
    case SYS_setgroups:
    case SYS_setfsuid:
    case SYS_setfsgid:
    case SYS_capset:
    case SYS_setsid:
    case SYS_chroot:
    case SYS_pivot_root:
    case SYS_unshare:
    case SYS_setns:
    case SYS_mlockall:
    case SYS_munlockall:
    case SYS_personality:
    case SYS_rt_sigprocmask:
    case SYS_seccomp:
#ifdef SYS_fork
    case SYS_fork:
    case SYS_vfork:
    case SYS_alarm:
    case SYS_arch_prctl:
#endif
      return true;
    default:
      return false;
  }
}

}  // namespace

PYEMBER_INTERPOSE(long, syscall, long number, ...) {
  va_list rest;
  va_start(rest, number);
  SyscallArguments a;
  for (long& each : a) each = va_arg(rest, long);
  va_end(rest);
  if (current_slot && number != SYS_futex && in_server_process()) {
    if (number == SYS_exit || number == SYS_exit_group) park_current_thread(ParkReason::Exited);
    if (is_refused_syscall(number, a)) return refuse();
    current_slot->outputs_touched = true;  // it may be one of many; the check is cheap
  }
  return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

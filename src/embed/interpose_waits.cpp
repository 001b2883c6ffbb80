// Waits that a stop can end.
//
// CPython restarts a system call that failed with EINTR after PyErr_CheckSignals(), which does
// nothing in a sub-interpreter (Modules/signalmodule.c: only the main interpreter's main thread
// handles signals; PEP 475 describes the restart). So a session that sleeps in a system call
// would never see the KeyboardInterrupt that is pending for it. Here such a call fails with
// ECANCELED once a stop was asked for: Python raises OSError, and the pending KeyboardInterrupt
// follows at the next check of the eval breaker.
//
// No wake-up is lost: the stopper sends wake_signal() again every few milliseconds until the cell
// is over, so a signal that came before the thread was asleep is followed by another.
//
// A session that was given up parks in its next wait, before or after it: after it also when the
// call succeeded, which is how a thread that had to be abandoned in a system call ends.
//
// Not interposed, and why: sem_* and pthread_cond_* lie under CPython's own locks, whose callers
// take any return for "acquired" (the body of `with lock:` would run without the lock); sessions
// get lock types of ours instead (locks.h). close() and fsync() must not fail because of a stop.
// Sanitizers: their interceptors are found by dlsym(RTLD_NEXT) and called from here, so nothing
// collides and all of this stays in.
#undef _FORTIFY_SOURCE  // the checked inline versions would redefine what is defined here
#include "embed/interpose_wait.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "embed/children.h"

using pyember::embed::current_slot;
using pyember::embed::interpose::waiting;
using pyember::embed::interpose::waiting_for_error_number;

// --- reading and writing -------------------------------------------------------------------

PYEMBER_INTERPOSE(ssize_t, read, int fd, void* bytes, size_t size) {
  return waiting([=] { return real_read(fd, bytes, size); });
}

PYEMBER_INTERPOSE(ssize_t, readv, int fd, const iovec* parts, int count) {
  return waiting([=] { return real_readv(fd, parts, count); });
}

PYEMBER_INTERPOSE(ssize_t, write, int fd, const void* bytes, size_t size) {
  return waiting([=] { return real_write(fd, bytes, size); });
}

PYEMBER_INTERPOSE(ssize_t, writev, int fd, const iovec* parts, int count) {
  return waiting([=] { return real_writev(fd, parts, count); });
}

// What code compiled with _FORTIFY_SOURCE calls instead
// (/usr/include/x86_64-linux-gnu/bits/unistd.h).
PYEMBER_INTERPOSE(ssize_t, __read_chk, int fd, void* bytes, size_t size, size_t room) {
  return waiting([=] { return real___read_chk(fd, bytes, size, room); });
}

PYEMBER_INTERPOSE(ssize_t, splice, int in, off64_t* in_offset, int out, off64_t* out_offset,
                  size_t size, unsigned flags) {
  return waiting([=] { return real_splice(in, in_offset, out, out_offset, size, flags); });
}

PYEMBER_INTERPOSE(ssize_t, sendfile, int out, int in, off_t* offset, size_t size) {
  return waiting([=] { return real_sendfile(out, in, offset, size); });
}

PYEMBER_INTERPOSE(ssize_t, sendfile64, int out, int in, off64_t* offset, size_t size) {
  return waiting([=] { return real_sendfile64(out, in, offset, size); });
}

// --- sockets ---------------------------------------------------------------------------------

PYEMBER_INTERPOSE(ssize_t, recv, int fd, void* bytes, size_t size, int flags) {
  return waiting([=] { return real_recv(fd, bytes, size, flags); });
}

PYEMBER_INTERPOSE(ssize_t, __recv_chk, int fd, void* bytes, size_t size, size_t room, int flags) {
  return waiting([=] { return real___recv_chk(fd, bytes, size, room, flags); });
}

PYEMBER_INTERPOSE(ssize_t, recvfrom, int fd, void* bytes, size_t size, int flags, sockaddr* from,
                  socklen_t* from_size) {
  return waiting([=] { return real_recvfrom(fd, bytes, size, flags, from, from_size); });
}

PYEMBER_INTERPOSE(ssize_t, __recvfrom_chk, int fd, void* bytes, size_t size, size_t room, int flags,
                  sockaddr* from, socklen_t* from_size) {
  return waiting(
      [=] { return real___recvfrom_chk(fd, bytes, size, room, flags, from, from_size); });
}

PYEMBER_INTERPOSE(ssize_t, recvmsg, int fd, msghdr* message, int flags) {
  return waiting([=] { return real_recvmsg(fd, message, flags); });
}

PYEMBER_INTERPOSE(int, recvmmsg, int fd, mmsghdr* messages, unsigned count, int flags,
                  timespec* timeout) {
  return waiting([=] { return real_recvmmsg(fd, messages, count, flags, timeout); });
}

PYEMBER_INTERPOSE(ssize_t, send, int fd, const void* bytes, size_t size, int flags) {
  return waiting([=] { return real_send(fd, bytes, size, flags); });
}

PYEMBER_INTERPOSE(ssize_t, sendto, int fd, const void* bytes, size_t size, int flags,
                  const sockaddr* to, socklen_t to_size) {
  return waiting([=] { return real_sendto(fd, bytes, size, flags, to, to_size); });
}

PYEMBER_INTERPOSE(ssize_t, sendmsg, int fd, const msghdr* message, int flags) {
  return waiting([=] { return real_sendmsg(fd, message, flags); });
}

PYEMBER_INTERPOSE(int, accept, int fd, sockaddr* address, socklen_t* size) {
  return waiting([=] { return real_accept(fd, address, size); });
}

PYEMBER_INTERPOSE(int, accept4, int fd, sockaddr* address, socklen_t* size, int flags) {
  return waiting([=] { return real_accept4(fd, address, size, flags); });
}

// Never restarted here: after EINTR the attempt goes on in the kernel and a second connect() says
// EALREADY (connect(2)). A stop leaves it so; the socket can be polled, connected again or closed.
PYEMBER_INTERPOSE(int, connect, int fd, const sockaddr* address, socklen_t size) {
  return waiting([=] { return real_connect(fd, address, size); });
}

// --- readiness -------------------------------------------------------------------------------

PYEMBER_INTERPOSE(int, poll, pollfd* entries, nfds_t count, int timeout_ms) {
  return waiting([=] { return real_poll(entries, count, timeout_ms); });
}

PYEMBER_INTERPOSE(int, __poll_chk, pollfd* entries, nfds_t count, int timeout_ms, size_t room) {
  return waiting([=] { return real___poll_chk(entries, count, timeout_ms, room); });
}

PYEMBER_INTERPOSE(int, ppoll, pollfd* entries, nfds_t count, const timespec* timeout,
                  const sigset_t* mask) {
  return waiting([=] { return real_ppoll(entries, count, timeout, mask); });
}

PYEMBER_INTERPOSE(int, select, int count, fd_set* readable, fd_set* writable, fd_set* exceptional,
                  timeval* timeout) {
  return waiting([=] { return real_select(count, readable, writable, exceptional, timeout); });
}

PYEMBER_INTERPOSE(int, pselect, int count, fd_set* readable, fd_set* writable, fd_set* exceptional,
                  const timespec* timeout, const sigset_t* mask) {
  return waiting(
      [=] { return real_pselect(count, readable, writable, exceptional, timeout, mask); });
}

PYEMBER_INTERPOSE(int, epoll_wait, int fd, epoll_event* events, int count, int timeout_ms) {
  return waiting([=] { return real_epoll_wait(fd, events, count, timeout_ms); });
}

PYEMBER_INTERPOSE(int, epoll_pwait, int fd, epoll_event* events, int count, int timeout_ms,
                  const sigset_t* mask) {
  return waiting([=] { return real_epoll_pwait(fd, events, count, timeout_ms, mask); });
}

// --- time ------------------------------------------------------------------------------------

PYEMBER_INTERPOSE(int, nanosleep, const timespec* duration, timespec* rest) {
  return waiting([=] { return real_nanosleep(duration, rest); });
}

PYEMBER_INTERPOSE(int, clock_nanosleep, clockid_t clock, int flags, const timespec* time,
                  timespec* rest) {
  return waiting_for_error_number([=] { return real_clock_nanosleep(clock, flags, time, rest); });
}

// C libraries sleep here between two attempts and ignore how it ended (sqlite3 does for a locked
// database, hundreds of times): once a stop was asked for, every later sleep is over at once.
PYEMBER_INTERPOSE(int, usleep, useconds_t microseconds) {
  return waiting([=] {
    const pyember::embed::SessionSlot* slot = current_slot;
    if (!slot || !pyember::embed::interpose::is_stopping(*slot)) return real_usleep(microseconds);
    errno = EINTR;
    return -1;
  });
}

// Returns the seconds left and has no error; its caller goes on early, and the next wait stops it.
PYEMBER_INTERPOSE(unsigned, sleep, unsigned seconds) {
  const unsigned left = real_sleep(seconds);
  if (current_slot) pyember::embed::interpose::park_if_condemned(*current_slot);
  return left;
}

PYEMBER_INTERPOSE(int, pause, void) {
  return waiting([] { return real_pause(); });
}

// --- children --------------------------------------------------------------------------------
//
// A wait for any child reaches only those of the session: children.h. In a vfork'ed child the
// process has no children that anybody could ask for, so the same path is right there.

namespace {

// A wait that names one child exactly.
bool names_one(pid_t pid) { return pid > 0; }

template <typename Call>
pid_t wait_exactly(Call call) {
  const pid_t reaped = waiting(call);
  if (reaped > 0 && current_slot) pyember::embed::forget_child(*current_slot, reaped);
  return reaped;
}

}  // namespace

PYEMBER_INTERPOSE(pid_t, wait4, pid_t pid, int* status, int options, rusage* usage) {
  if (!current_slot) return real_wait4(pid, status, options, usage);
  if (names_one(pid)) {
    if (pyember::embed::belongs_to_another(*current_slot, pid)) {
      errno = ECHILD;
      return -1;
    }
    return wait_exactly([=] { return real_wait4(pid, status, options, usage); });
  }
  return pyember::embed::wait_for_any_child(*current_slot, pid, options, [=](pid_t child, int how) {
    return real_wait4(child, status, how, usage);
  });
}

PYEMBER_INTERPOSE(pid_t, waitpid, pid_t pid, int* status, int options) {
  return interposed_wait4(pid, status, options, nullptr);
}

PYEMBER_INTERPOSE(pid_t, wait, int* status) { return interposed_wait4(-1, status, 0, nullptr); }

PYEMBER_INTERPOSE(pid_t, wait3, int* status, int options, rusage* usage) {
  return interposed_wait4(-1, status, options, usage);
}

PYEMBER_INTERPOSE(int, waitid, idtype_t type, id_t id, siginfo_t* info, int options) {
  if (!current_slot) return real_waitid(type, id, info, options);
  return pyember::embed::wait_for_child_state(
      *current_slot, type, id, info, options,
      [](idtype_t which, id_t child, siginfo_t* found, int how) {
        return waiting([=] { return real_waitid(which, child, found, how); });
      });
}

// --- files -----------------------------------------------------------------------------------

PYEMBER_INTERPOSE(int, flock, int fd, int operation) {
  return waiting([=] { return real_flock(fd, operation); });
}

// The third argument is an int, a pointer or nothing, by command. Passed on as a pointer-sized
// value, as libc's own fcntl64 does (glibc, sysdeps/unix/sysv/linux/fcntl64.c).
#define PYEMBER_INTERPOSE_FCNTL(name)                                                              \
  PYEMBER_INTERPOSE(int, name, int fd, int command, ...) {                                         \
    va_list arguments;                                                                             \
    va_start(arguments, command);                                                                  \
    void* argument = va_arg(arguments, void*);                                                     \
    va_end(arguments);                                                                             \
    if (command != F_SETLKW && command != F_OFD_SETLKW) return real_##name(fd, command, argument); \
    return waiting([=] { return real_##name(fd, command, argument); });                            \
  }

PYEMBER_INTERPOSE_FCNTL(fcntl)
PYEMBER_INTERPOSE_FCNTL(fcntl64)

PYEMBER_INTERPOSE(int, lockf, int fd, int command, off_t size) {
  return waiting([=] { return real_lockf(fd, command, size); });
}

PYEMBER_INTERPOSE(int, lockf64, int fd, int command, off64_t size) {
  return waiting([=] { return real_lockf64(fd, command, size); });
}

// --- signals ---------------------------------------------------------------------------------
//
// Ours are taken out of the set: a sigwait() for all signals would eat the wake-ups.

namespace {

sigset_t without_ours(const sigset_t* set) {
  sigset_t rest = *set;
  sigdelset(&rest, pyember::embed::wake_signal());
  sigdelset(&rest, pyember::embed::park_signal());
  return rest;
}

}  // namespace

PYEMBER_INTERPOSE(int, sigtimedwait, const sigset_t* set, siginfo_t* info,
                  const timespec* timeout) {
  if (!current_slot) return real_sigtimedwait(set, info, timeout);
  const sigset_t rest = without_ours(set);
  return waiting([&] { return real_sigtimedwait(&rest, info, timeout); });
}

PYEMBER_INTERPOSE(int, sigwaitinfo, const sigset_t* set, siginfo_t* info) {
  if (!current_slot) return real_sigwaitinfo(set, info);
  return interposed_sigtimedwait(set, info, nullptr);
}

// libc's own sigwait() restarts after EINTR (glibc, sysdeps/unix/sysv/linux/sigwait.c), so it is
// made from sigtimedwait here.
PYEMBER_INTERPOSE(int, sigwait, const sigset_t* set, int* signal) {
  if (!current_slot) return real_sigwait(set, signal);
  const int taken = interposed_sigtimedwait(set, nullptr, nullptr);
  if (taken == -1) return errno;
  *signal = taken;
  return 0;
}

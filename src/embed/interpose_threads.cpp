// Threads that session code starts belong to the session: they are counted, get the alternate
// signal stack, run under its memory account and can be parked. The signals that hold all this
// together can be neither blocked nor taken over there.
#include "embed/interpose.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include <initializer_list>
#include <memory>
#include <new>
#include <utility>

#include "embed/interpose_locale.h"

namespace pyember::embed::interpose {
namespace {

// What the new thread needs; owned by it.
struct Start {
  void* (*routine)(void*);
  void* argument;
  SessionSlot* slot;
  SlotThread* entry;
  std::unique_ptr<void, FreeLocale> locale;  // null: the process's
};

// The CPUs the process was given. A session's thread may be held on one of them for a moment (the
// hand-over of a cell), and a thread started just then would inherit that.
cpu_set_t process_cpus;
bool process_cpus_known = false;
pthread_key_t leave_key;

void leave(void* entry) {
  set_thread_locale(nullptr);
  leave_slot(static_cast<SlotThread*>(entry));
}

[[gnu::constructor]] void prepare() {
  process_cpus_known = sched_getaffinity(0, sizeof process_cpus, &process_cpus) == 0;
  pthread_key_create(&leave_key, leave);
}

void* run(void* raw) {
  Start start = std::move(*static_cast<Start*>(raw));
  delete static_cast<Start*>(raw);
  enter_slot(*start.slot, start.entry);
  // Runs leave_slot() however the thread ends: by return, pthread_exit or cancellation.
  pthread_setspecific(leave_key, start.entry);
  if (start.locale) set_thread_locale(start.locale.release());
  if (process_cpus_known) sched_setaffinity(0, sizeof process_cpus, &process_cpus);
  return start.routine(start.argument);
}

}  // namespace
}  // namespace pyember::embed::interpose

using namespace pyember::embed;
using namespace pyember::embed::interpose;

PYEMBER_INTERPOSE(int, pthread_create, pthread_t* thread, const pthread_attr_t* attributes,
                  void* (*routine)(void*), void* argument) {
  SessionSlot* slot = current_slot;
  if (!slot) return real_pthread_create(thread, attributes, routine, argument);
  park_if_condemned(*slot);
  SlotThread* entry = reserve_slot_thread(*slot);
  if (!entry) return EAGAIN;  // pthread_create(3): a limit on the number of threads was reached
  std::unique_ptr<void, FreeLocale> locale{copy_thread_locale()};
  std::unique_ptr<Start> start{new (std::nothrow)
                                   Start{routine, argument, slot, entry, std::move(locale)}};
  const int error = start ? real_pthread_create(thread, attributes, run, start.get()) : ENOMEM;
  if (error == 0) {
    static_cast<void>(start.release());  // run() owns it now
  } else {
    release_slot_thread(*slot, entry);
  }
  return error;
}

// --- signal masks -----------------------------------------------------------------------------

namespace {

// The set without the signals that must stay deliverable on a session's thread.
sigset_t without_vital(const sigset_t& set) {
  sigset_t rest = set;
  for (int vital :
       {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, wake_signal(), park_signal()}) {
    sigdelset(&rest, vital);
  }
  return rest;
}

template <typename Call>
int change_mask(int how, const sigset_t* set, Call call) {
  if (!set || how == SIG_UNBLOCK || !guarded()) return call(set);
  const sigset_t allowed = without_vital(*set);
  return call(&allowed);
}

}  // namespace

PYEMBER_INTERPOSE(int, pthread_sigmask, int how, const sigset_t* set, sigset_t* old) {
  if (!current_slot) return real_pthread_sigmask(how, set, old);
  return change_mask(
      how, set, [=](const sigset_t* allowed) { return real_pthread_sigmask(how, allowed, old); });
}

PYEMBER_INTERPOSE(int, sigprocmask, int how, const sigset_t* set, sigset_t* old) {
  if (!current_slot) return real_sigprocmask(how, set, old);
  return change_mask(how, set,
                     [=](const sigset_t* allowed) { return real_sigprocmask(how, allowed, old); });
}

// --- signal handlers --------------------------------------------------------------------------
//
// Handlers and dispositions belong to the process, so a session may read but not change them.

PYEMBER_INTERPOSE(int, sigaction, int signal, const struct sigaction* action,
                  struct sigaction* old) {
  if (!action || !guarded()) return real_sigaction(signal, action, old);
  errno = EPERM;
  return -1;
}

using Handler = void (*)(int);

PYEMBER_INTERPOSE(Handler, signal, int number, Handler handler) {
  if (!guarded()) return real_signal(number, handler);
  errno = EPERM;
  return SIG_ERR;
}

PYEMBER_INTERPOSE(int, siginterrupt, int number, int flag) {
  if (!guarded()) return real_siginterrupt(number, flag);
  errno = EPERM;
  return -1;
}

PYEMBER_INTERPOSE(int, sigaltstack, const stack_t* stack, stack_t* old) {
  if (!stack || !guarded()) return real_sigaltstack(stack, old);
  errno = EPERM;
  return -1;
}

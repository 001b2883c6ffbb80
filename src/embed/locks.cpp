// Design. A lock's state (taken or not, its queue of waiters) is guarded by the GIL of the one
// interpreter that owns it, so the uncontended paths are plain loads and stores. A thread that has
// to wait puts a LockWaiter on its own stack into the lock's queue, releases the GIL and sleeps on
// that waiter's futex word. It takes itself out of the queue only with the GIL held again; a
// releaser holds the GIL while it touches a waiter, so it never touches one that is gone.
//
// release() does not hand the lock over: it marks it free and wakes the first waiter, which takes
// it when it has the GIL, or waits on (first in the queue still) if somebody was faster. This is
// what CPython's semaphore does, and it avoids a convoy.
//
// A waiter is in its session's list too while it sleeps, under a mutex of its own that is only
// taken without the GIL. The stopper walks that list. A wake-up by it says nothing about the lock:
// it only makes the waiter look at the slot.
//
// No wake-up gets lost: a waiter that was woken by a release but leaves without the lock (stopped
// or timed out) passes the wake-up on to the next one.
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include "embed/locks.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmath>
#include <optional>

#include "embed/interpose.h"
#include "embed/session_slot.h"

// Runs the pending calls of the calling thread's interpreter. The public Py_MakePendingCalls()
// does nothing outside the main interpreter (Python/ceval_gil.c). Exported by 3.13 and 3.14; weak,
// so that a version without it costs only the nicety in raise_stop().
extern "C" [[gnu::weak]] int _PyEval_MakePendingCalls(PyThreadState* thread);

namespace pyember::embed {

struct LockWaiter {
  static constexpr std::uint32_t kAsleep = 0, kReleased = 1, kLook = 2;

  std::atomic<std::uint32_t> word{kAsleep};
  LockWaiter* next_in_lock = nullptr;      // guarded by the GIL
  LockWaiter* previous_in_slot = nullptr;  // these two by SessionSlot::lock_waiters.mutex
  LockWaiter* next_in_slot = nullptr;
};

namespace {

using Deadline = std::optional<std::int64_t>;  // nanoseconds on CLOCK_MONOTONIC; none: for ever

constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t monotonic_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

void wake(LockWaiter& waiter, std::uint32_t why) noexcept {
  waiter.word.fetch_or(why);
  syscall(SYS_futex, &waiter.word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

// FUTEX_WAIT_BITSET takes an absolute time on the monotonic clock (futex(2)).
void sleep_until(LockWaiter& waiter, const Deadline& deadline) noexcept {
  timespec until{};
  if (deadline) until = {.tv_sec = *deadline / kSecond, .tv_nsec = *deadline % kSecond};
  syscall(SYS_futex, &waiter.word, FUTEX_WAIT_BITSET_PRIVATE, LockWaiter::kAsleep,
          deadline ? &until : nullptr, nullptr, FUTEX_BITSET_MATCH_ANY);
}

// Keeps a waiter in its session's list, where the stopper finds it. Without the GIL.
class Registered {
 public:
  Registered(SessionSlot* slot, LockWaiter& waiter) : slot_(slot), waiter_(waiter) {
    if (!slot_) return;
    std::lock_guard guard(slot_->lock_waiters.mutex);
    waiter_.previous_in_slot = nullptr;  // not its first time, perhaps: others came and went
    waiter_.next_in_slot = slot_->lock_waiters.first;
    if (waiter_.next_in_slot) waiter_.next_in_slot->previous_in_slot = &waiter_;
    slot_->lock_waiters.first = &waiter_;
  }
  ~Registered() {
    if (!slot_) return;
    std::lock_guard guard(slot_->lock_waiters.mutex);
    (waiter_.previous_in_slot ? waiter_.previous_in_slot->next_in_slot
                              : slot_->lock_waiters.first) = waiter_.next_in_slot;
    if (waiter_.next_in_slot) waiter_.next_in_slot->previous_in_slot = waiter_.previous_in_slot;
  }
  Registered(const Registered&) = delete;

 private:
  SessionSlot* slot_;
  LockWaiter& waiter_;
};

enum class Patience { Interruptible, UntilInsisted };

bool must_leave(const SessionSlot* slot, Patience patience) {
  if (!slot || !interpose::is_stopping(*slot)) return false;
  return patience == Patience::Interruptible || slot->ending ||
         slot->stop.load() >= StopLevel::Insisted;
}

// The part that both types share: taken or free, and who waits.
struct Core {
  bool taken;
  LockWaiter* first;
  LockWaiter* last;
};

void append(Core& core, LockWaiter& waiter) {
  (core.last ? core.last->next_in_lock : core.first) = &waiter;
  core.last = &waiter;
}

void remove(Core& core, LockWaiter& waiter) {
  LockWaiter* previous = nullptr;
  for (LockWaiter* each = core.first; each != &waiter; each = each->next_in_lock) previous = each;
  (previous ? previous->next_in_lock : core.first) = waiter.next_in_lock;
  if (core.last == &waiter) core.last = previous;
}

void set_free(Core& core) {
  core.taken = false;
  if (core.first) wake(*core.first, LockWaiter::kReleased);
}

enum class Taken { Yes, TimedOut, Stopped };

// Sleeps once. With the GIL on both ends, without it in between.
void sleep_detached(LockWaiter& waiter, const Deadline& deadline) {
  SessionSlot* slot = current_slot;
  PyThreadState* thread = PyEval_SaveThread();
  if (slot) interpose::park_if_condemned(*slot);
  {
    Registered registered(slot, waiter);
    sleep_until(waiter, deadline);
  }
  if (slot) interpose::park_if_condemned(*slot);
  PyEval_RestoreThread(thread);
}

Taken wait_for(Core& core, const Deadline& deadline, Patience patience) {
  LockWaiter waiter;
  append(core, waiter);
  Taken result = Taken::Yes;
  for (;;) {
    sleep_detached(waiter, deadline);
    waiter.word.store(LockWaiter::kAsleep);
    if (must_leave(current_slot, patience)) {
      result = Taken::Stopped;
      break;
    }
    if (!core.taken) {
      core.taken = true;
      break;
    }
    if (deadline && monotonic_now() >= *deadline) {
      result = Taken::TimedOut;
      break;
    }
  }
  remove(core, waiter);
  if (result != Taken::Yes && !core.taken && core.first) wake(*core.first, LockWaiter::kReleased);
  return result;
}

// The stop's own pending call raises KeyboardInterrupt, or leaves it for this thread as an
// asynchronous exception if another thread came upon it first. Taking both here keeps it from
// coming a second time inside the handler of the first.
void raise_stop() {
  if (_PyEval_MakePendingCalls && _PyEval_MakePendingCalls(PyThreadState_Get()) != 0) return;
  PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), nullptr);
  // A thread that ends by SystemExit does so in silence, without importing what prints tracebacks.
  const bool ending = current_slot && current_slot->ending;
  PyErr_SetNone(ending ? PyExc_SystemExit : PyExc_KeyboardInterrupt);
}

// --- arguments ---------------------------------------------------------------------------------

struct Arguments {
  bool blocking = true;
  Deadline deadline;
};

// As CPython's lock_acquire_parse_args (Modules/_threadmodule.c), with the same errors. -1 seconds
// means for ever.
bool read_seconds(PyObject* object, std::int64_t& nanoseconds) {
  constexpr char kTooLarge[] = "timestamp too large to convert to C PyTime_t";
  if (PyFloat_Check(object)) {
    const double seconds = PyFloat_AS_DOUBLE(object);
    if (std::isnan(seconds)) {
      PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number)");
      return false;
    }
    const double scaled = seconds * 1e9;
    const double rounded = scaled >= 0 ? std::ceil(scaled) : std::floor(scaled);
    if (!(rounded >= -9223372036854775808.0 && rounded < 9223372036854775808.0)) {
      PyErr_SetString(PyExc_OverflowError, "timestamp out of range for platform time_t");
      return false;
    }
    nanoseconds = static_cast<std::int64_t>(rounded);
    return true;
  }
  const long long seconds = PyLong_AsLongLong(object);
  if (seconds == -1 && PyErr_Occurred()) {
    if (PyErr_ExceptionMatches(PyExc_OverflowError))
      PyErr_SetString(PyExc_OverflowError, kTooLarge);
    return false;
  }
  if (__builtin_mul_overflow(seconds, kSecond, &nanoseconds)) {
    PyErr_SetString(PyExc_OverflowError, kTooLarge);
    return false;
  }
  return true;
}

bool apply_timeout(PyObject* timeout, Arguments& arguments) {
  std::int64_t nanoseconds = -kSecond;
  if (timeout && !read_seconds(timeout, nanoseconds)) return false;
  const bool unset = nanoseconds == -kSecond;
  if (!arguments.blocking && !unset) {
    PyErr_SetString(PyExc_ValueError, "can't specify a timeout for a non-blocking call");
    return false;
  }
  if (nanoseconds < 0 && !unset) {
    PyErr_SetString(PyExc_ValueError, "timeout value must be a non-negative number");
    return false;
  }
  if (!unset) {
    const std::int64_t now = monotonic_now();
    const bool overflows = nanoseconds > INT64_MAX - now;
    if (!overflows) arguments.deadline = now + nanoseconds;  // else 292 years: for ever
  }
  return true;
}

bool read_arguments(PyObject* const* positional, Py_ssize_t count, PyObject* names,
                    Arguments& arguments) {
  PyObject* given[2] = {nullptr, nullptr};  // blocking, timeout
  if (count > 2) {
    PyErr_Format(PyExc_TypeError, "acquire() takes at most 2 arguments (%zd given)", count);
    return false;
  }
  for (Py_ssize_t i = 0; i < count; ++i) given[i] = positional[i];
  const Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
  for (Py_ssize_t i = 0; i < named; ++i) {
    PyObject* name = PyTuple_GET_ITEM(names, i);
    const bool is_blocking = PyUnicode_CompareWithASCIIString(name, "blocking") == 0;
    if (!is_blocking && PyUnicode_CompareWithASCIIString(name, "timeout") != 0) {
      PyErr_Format(PyExc_TypeError, "acquire() got an unexpected keyword argument '%U'", name);
      return false;
    }
    PyObject*& target = given[is_blocking ? 0 : 1];
    if (target) {
      PyErr_Format(PyExc_TypeError, "acquire() got multiple values for argument '%U'", name);
      return false;
    }
    target = positional[count + i];
  }
  if (given[0]) {
    const int truth = PyObject_IsTrue(given[0]);
    if (truth < 0) return false;
    arguments.blocking = truth != 0;
  }
  return apply_timeout(given[1], arguments);
}

// --- Lock --------------------------------------------------------------------------------------

struct Lock {
  PyObject_HEAD PyObject* weak_references;
  Core core;
};

Lock& as_lock(PyObject* object) { return *reinterpret_cast<Lock*>(object); }

PyObject* acquire_core(Core& core, const Arguments& arguments) {
  if (!core.taken) {
    core.taken = true;
    Py_RETURN_TRUE;
  }
  if (!arguments.blocking) Py_RETURN_FALSE;
  switch (wait_for(core, arguments.deadline, Patience::Interruptible)) {
    case Taken::Yes:
      Py_RETURN_TRUE;
    case Taken::TimedOut:
      Py_RETURN_FALSE;
    case Taken::Stopped:
      break;
  }
  raise_stop();
  return nullptr;
}

PyObject* lock_acquire(PyObject* self, PyObject* const* positional, Py_ssize_t count,
                       PyObject* names) {
  Arguments arguments;
  if ((count || names) && !read_arguments(positional, count, names, arguments)) return nullptr;
  return acquire_core(as_lock(self).core, arguments);
}

PyObject* lock_enter(PyObject* self, PyObject*) { return acquire_core(as_lock(self).core, {}); }

PyObject* lock_release(PyObject* self, PyObject*) {
  Core& core = as_lock(self).core;
  if (!core.taken) {
    PyErr_SetString(PyExc_RuntimeError, "release unlocked lock");
    return nullptr;
  }
  set_free(core);
  Py_RETURN_NONE;
}

PyObject* lock_exit(PyObject* self, PyObject* const*, Py_ssize_t) {
  return lock_release(self, nullptr);
}

PyObject* lock_locked(PyObject* self, PyObject*) {
  return PyBool_FromLong(as_lock(self).core.taken);
}

// CPython calls it in the child of a fork, where no other thread is left to wait. Sessions don't
// fork; whoever calls it all the same must not strand a waiter.
PyObject* lock_reinit(PyObject* self, PyObject*) {
  set_free(as_lock(self).core);
  Py_RETURN_NONE;
}

PyObject* lock_repr(PyObject* self) {
  return PyUnicode_FromFormat("<%s %s object at %p>",
                              as_lock(self).core.taken ? "locked" : "unlocked",
                              Py_TYPE(self)->tp_name, self);
}

PyObject* lock_new(PyTypeObject* type, PyObject* positional, PyObject* named) {
  if (PyTuple_GET_SIZE(positional) != 0 || (named && PyDict_GET_SIZE(named) != 0)) {
    PyErr_Format(PyExc_TypeError, "%s() takes no arguments", type->tp_name);
    return nullptr;
  }
  return type->tp_alloc(type, 0);  // all zero: free, nobody waits
}

// CPython's takes any arguments and looks at none (deprecated in 3.14).
PyObject* rlock_new(PyTypeObject* type, PyObject*, PyObject*) { return type->tp_alloc(type, 0); }

template <typename Object>
void dispose(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (reinterpret_cast<Object*>(self)->weak_references) PyObject_ClearWeakRefs(self);
  type->tp_free(self);
  Py_DECREF(type);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  return 0;
}

#define PYEMBER_FASTCALL(function) reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function))

PyMethodDef lock_methods[] = {
    {"acquire", PYEMBER_FASTCALL(lock_acquire), METH_FASTCALL | METH_KEYWORDS,
     "acquire(blocking=True, timeout=-1) -> bool\n\nTake the lock, waiting until it is free."},
    {"acquire_lock", PYEMBER_FASTCALL(lock_acquire), METH_FASTCALL | METH_KEYWORDS,
     "An obsolete synonym of acquire()."},
    {"release", lock_release, METH_NOARGS, "release()\n\nLet the next thread take the lock."},
    {"release_lock", lock_release, METH_NOARGS, "An obsolete synonym of release()."},
    {"locked", lock_locked, METH_NOARGS, "locked() -> bool\n\nWhether the lock is taken."},
    {"locked_lock", lock_locked, METH_NOARGS, "An obsolete synonym of locked()."},
    {"__enter__", lock_enter, METH_NOARGS, "Take the lock."},
    {"__exit__", PYEMBER_FASTCALL(lock_exit), METH_FASTCALL, "Release the lock."},
    {"_at_fork_reinit", lock_reinit, METH_NOARGS, nullptr},
    {}};

PyMemberDef lock_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Lock, weak_references), Py_READONLY, nullptr},
    {}};

PyType_Slot lock_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(lock_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dispose<Lock>)},
    {Py_tp_repr, reinterpret_cast<void*>(lock_repr)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_methods, lock_methods},
    {Py_tp_members, lock_members},
    {Py_tp_doc, const_cast<char*>("A lock whose acquire() can be interrupted.")},
    {}};

// Code tells the types by these names (repr, pickle's errors), so they are the ones it knows.
PyType_Spec lock_spec = {"_thread.lock", sizeof(Lock), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
                         lock_slots};

// --- RLock -------------------------------------------------------------------------------------

struct RLock {
  PyObject_HEAD PyObject* weak_references;
  Core core;
  unsigned long owner;  // meaningful while core.taken
  unsigned long count;
};

RLock& as_rlock(PyObject* object) { return *reinterpret_cast<RLock*>(object); }

bool owned_here(const RLock& lock) {
  return lock.core.taken && lock.owner == PyThread_get_thread_ident();
}

PyObject* acquire_rlock(RLock& lock, const Arguments& arguments) {
  if (owned_here(lock)) {
    if (lock.count == ULONG_MAX) {
      PyErr_SetString(PyExc_OverflowError, "Internal lock count overflowed");
      return nullptr;
    }
    ++lock.count;
    Py_RETURN_TRUE;
  }
  PyObject* taken = acquire_core(lock.core, arguments);
  if (taken == Py_True) {
    lock.owner = PyThread_get_thread_ident();
    lock.count = 1;
  }
  return taken;
}

PyObject* rlock_acquire(PyObject* self, PyObject* const* positional, Py_ssize_t count,
                        PyObject* names) {
  Arguments arguments;
  if ((count || names) && !read_arguments(positional, count, names, arguments)) return nullptr;
  return acquire_rlock(as_rlock(self), arguments);
}

PyObject* rlock_enter(PyObject* self, PyObject*) { return acquire_rlock(as_rlock(self), {}); }

bool require_owner(const RLock& lock) {
  if (owned_here(lock)) return true;
  PyErr_SetString(PyExc_RuntimeError, "cannot release un-acquired lock");
  return false;
}

PyObject* rlock_release(PyObject* self, PyObject*) {
  RLock& lock = as_rlock(self);
  if (!require_owner(lock)) return nullptr;
  if (--lock.count == 0) {
    lock.owner = 0;
    set_free(lock.core);
  }
  Py_RETURN_NONE;
}

PyObject* rlock_exit(PyObject* self, PyObject* const*, Py_ssize_t) {
  return rlock_release(self, nullptr);
}

PyObject* rlock_is_owned(PyObject* self, PyObject*) {
  return PyBool_FromLong(owned_here(as_rlock(self)));
}

PyObject* rlock_locked(PyObject* self, PyObject*) {
  return PyBool_FromLong(as_rlock(self).core.taken);
}

PyObject* rlock_recursion_count(PyObject* self, PyObject*) {
  const RLock& lock = as_rlock(self);
  return PyLong_FromUnsignedLong(owned_here(lock) ? lock.count : 0);
}

PyObject* rlock_release_save(PyObject* self, PyObject*) {
  RLock& lock = as_rlock(self);
  if (!require_owner(lock)) return nullptr;
  PyObject* state = Py_BuildValue("kk", lock.count, lock.owner);
  if (!state) return nullptr;
  lock.count = 0;
  lock.owner = 0;
  set_free(lock.core);
  return state;
}

// Condition.wait() calls this on its way out, and `with condition:` releases what it took. So a
// stop that was only asked for does not end it: whoever holds the lock lets go soon, as a rule.
PyObject* rlock_acquire_restore(PyObject* self, PyObject* state) {
  RLock& lock = as_rlock(self);
  unsigned long count = 0;
  unsigned long owner = 0;
  if (!PyArg_Parse(state, "(kk):_acquire_restore", &count, &owner)) return nullptr;
  if (lock.core.taken && wait_for(lock.core, {}, Patience::UntilInsisted) == Taken::Stopped) {
    raise_stop();
    return nullptr;
  }
  lock.core.taken = true;
  lock.owner = owner;
  lock.count = count;
  Py_RETURN_NONE;
}

PyObject* rlock_reinit(PyObject* self, PyObject*) {
  RLock& lock = as_rlock(self);
  lock.owner = 0;
  lock.count = 0;
  set_free(lock.core);
  Py_RETURN_NONE;
}

PyObject* rlock_repr(PyObject* self) {
  const RLock& lock = as_rlock(self);
  return PyUnicode_FromFormat("<%s %s object owner=%lu count=%lu at %p>",
                              lock.core.taken ? "locked" : "unlocked", Py_TYPE(self)->tp_name,
                              lock.owner, lock.count, self);
}

PyMethodDef rlock_methods[] = {
    {"acquire", PYEMBER_FASTCALL(rlock_acquire), METH_FASTCALL | METH_KEYWORDS,
     "acquire(blocking=True, timeout=-1) -> bool\n\nTake the lock, again if this thread has it."},
    {"release", rlock_release, METH_NOARGS, "release()\n\nUndo one acquire() of this thread."},
    {"locked", rlock_locked, METH_NOARGS, "locked() -> bool\n\nWhether any thread has the lock."},
    {"_is_owned", rlock_is_owned, METH_NOARGS, "Whether this thread has the lock."},
    {"_recursion_count", rlock_recursion_count, METH_NOARGS, "How often this thread took it."},
    {"_acquire_restore", rlock_acquire_restore, METH_O,
     "Take the lock as _release_save() left it."},
    {"_release_save", rlock_release_save, METH_NOARGS, "Release at once, however often taken."},
    {"__enter__", rlock_enter, METH_NOARGS, "Take the lock."},
    {"__exit__", PYEMBER_FASTCALL(rlock_exit), METH_FASTCALL, "Release the lock."},
    {"_at_fork_reinit", rlock_reinit, METH_NOARGS, nullptr},
    {}};

PyMemberDef rlock_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(RLock, weak_references), Py_READONLY, nullptr},
    {}};

PyType_Slot rlock_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(rlock_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dispose<RLock>)},
    {Py_tp_repr, reinterpret_cast<void*>(rlock_repr)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_methods, rlock_methods},
    {Py_tp_members, rlock_members},
    {Py_tp_doc, const_cast<char*>("A reentrant lock whose acquire() can be interrupted.")},
    {}};

PyType_Spec rlock_spec = {
    "_thread.RLock", sizeof(RLock), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    rlock_slots};

int add_type(PyObject* module, const char* name, PyType_Spec& spec) {
  PyObject* type = PyType_FromModuleAndSpec(module, &spec, nullptr);
  if (!type) return -1;
  const int result = PyModule_AddObjectRef(module, name, type);
  Py_DECREF(type);
  return result;
}

}  // namespace

int add_lock_types(PyObject* module) {
  if (add_type(module, "Lock", lock_spec) < 0) return -1;
  return add_type(module, "RLock", rlock_spec);
}

void wake_waiters(SessionSlot& slot) noexcept {
  std::unique_lock guard(slot.lock_waiters.mutex, std::try_to_lock);
  if (!guard) return;  // a waiter is coming or going; the next round finds it
  for (LockWaiter* each = slot.lock_waiters.first; each; each = each->next_in_slot) {
    wake(*each, LockWaiter::kLook);
  }
}

}  // namespace pyember::embed

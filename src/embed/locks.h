#pragma once

struct _object;
using PyObject = _object;

// Locks that a stop can wake: `_pyember.Lock` and `_pyember.RLock`, with the whole interface of
// _thread.lock and _thread.RLock of CPython 3.13 and 3.14. CPython's own wait on a semaphore that
// only a signal to the main interpreter's main thread could interrupt.
namespace pyember::embed {

struct SessionSlot;

// Makes the two types for the calling interpreter and adds them to `module`. 0, or -1 with a
// Python exception set. Attached.
int add_lock_types(PyObject* module);

// Wakes every thread of the session that waits for a lock, so that it looks at the slot's state:
// the session's own thread raises KeyboardInterrupt if a stop was asked for, every thread does if
// the session is being closed, and all park if it was given up; others wait on. Never blocks;
// called by the stopper, without a GIL, again and again until the cell is over.
void wake_waiters(SessionSlot& slot) noexcept;

}  // namespace pyember::embed

#include "guard_session.h"

#include <string>

#include "support/catch.h"

using namespace pyember;
using namespace pyember::test;

namespace {

// Makes threading use our locks, as the session's runtime does.
const std::string kPatched =
    "import _thread, _pyember\n"
    "_thread.allocate_lock = _thread.lock = _pyember.Lock; _thread.RLock = _pyember.RLock\n"
    "import threading, time\n";

}  // namespace

TEST_CASE("Locks: every call gives what CPython's own gives, errors included") {
  const std::string differences = run_code(R"py(
import _thread, _pyember, math
def outcome(make, script):
    made = make()
    names = {"lock": made}
    try:
        return repr(eval(script, names)), getattr(made, "locked", lambda: None)()
    except BaseException as error:
        return type(error).__name__, str(error)
arguments = ["", "True", "False", "1", "0", "True, -1", "True, 0", "True, 0.001", "False, -1",
             "False, 1", "False, 0", "True, -2", "True, -0.5", "timeout=0.001", "blocking=False",
             "timeout=1e20", "timeout=float('nan')", "timeout=2**70", "timeout=-2**70",
             "timeout=float('inf')", "timeout=9223372036.0", "timeout='x'", "nothing=1",
             "1, 2, 3", "blocking=[], timeout=-1", "True, timeout=9223372037"]
scripts = ["lock.acquire(%s)" % each for each in arguments]
scripts += ["(lock.acquire(), lock.acquire(%s))" % each for each in
            ("False", "0, -1", "True, 0", "timeout=0.001", "True, 0.001")]
scripts += ["lock.release()", "(lock.acquire(), lock.release())", "lock.__enter__()",
            "(lock.__enter__(), lock.__exit__(None, None, None))", "lock.__exit__(1, 2, 3)",
            "(lock.acquire(), lock._at_fork_reinit(), lock.acquire(False))",
            "__import__('pickle').dumps(lock)", "lock.x", "setattr(lock, 'x', 1)", "type(lock).__name__",
            "bool(__import__('weakref').ref(lock)())", "type(type(lock)(1)).__name__",
            "repr(lock).split(' at ')[0]", "(lock.acquire(), repr(lock).split(' owner')[0].split(' at ')[0])"]
lock_only = ["lock.locked()", "(lock.acquire(), lock.locked())", "lock.acquire_lock()",
             "(lock.acquire(), lock.release_lock())", "lock.locked_lock()",
             "type('Sub', (type(lock),), {})"]
rlock_only = ["(lock.acquire(), lock.acquire(), lock._recursion_count())", "lock._recursion_count()",
              "lock._is_owned()", "(lock.acquire(), lock._is_owned())", "lock._release_save()",
              "(lock.acquire(), lock.acquire(), lock._acquire_restore(lock._release_save()), lock._recursion_count())",
              "lock._acquire_restore(None)", "type('Sub', (type(lock),), {})().acquire()"]
different = []
def same(a, b, script):
    # The wording for a wrong set of arguments is CPython's parser's and not part of the interface.
    if a != b and not a[0] == b[0] == "TypeError":
        different.append((script, a, b))
for script in scripts + lock_only:
    same(outcome(_thread.lock, script)[:2], outcome(_pyember.Lock, script)[:2], script)
def without_locked(pair): return (pair[0], None) if "Error" not in pair[0] else pair
for script in scripts + rlock_only:
    a, b = outcome(_thread.RLock, script), outcome(_pyember.RLock, script)
    same(without_locked(a), without_locked(b), script)
result = different
)py");
  CHECK(differences == "[]");
}

TEST_CASE("Locks: they exclude, with threads that wait and threads that time out") {
  CHECK(run_code(kPatched + R"py(
import sys; sys.setswitchinterval(1e-5)
def total(lock):
    count = [0]
    def work():
        for _ in range(3000):
            while not lock.acquire(timeout=0.001): pass
            value = count[0]; count[0] = value + 1
            lock.release()
            with lock: value = count[0]; count[0] = value + 1
    threads = [threading.Thread(target=work) for _ in range(6)]
    for each in threads: each.start()
    for each in threads: each.join()
    return count[0]
result = total(_pyember.Lock()), total(_pyember.RLock())
)py") == "(36000, 36000)");
}

TEST_CASE("Locks: a stop raises KeyboardInterrupt from acquire, and `with` never runs its body") {
  for (const char* make : {"_pyember.Lock()", "_pyember.RLock()"}) {
    INFO(make);
    GuardSession session(kPatched + "lock = " + make + R"py(
held = threading.Event()
def hold():
    with lock:
        held.set(); time.sleep(60)
threading.Thread(target=hold).start(); held.wait()
entered = False
ready()
try:
    with lock: entered = True
except KeyboardInterrupt: result = "stopped", entered, lock.acquire(False)
)py");
    REQUIRE(session.wait_until_ready());
    session.stop(embed::StopLevel::Asked);
    CHECK(session.wait() == "('stopped', False, False)");
  }
}

TEST_CASE("Locks: a stop ends what threading builds on them") {
  for (const char* wait :
       {"threading.Event().wait()", "threading.Semaphore(0).acquire()",
        "threading.Barrier(2).wait()", "c = threading.Condition(); c.acquire(); c.wait()",
        "import queue; queue.Queue().get()"}) {
    INFO(wait);
    GuardSession session(kPatched + "ready()\n" + wait);
    REQUIRE(session.wait_until_ready());
    session.stop(embed::StopLevel::Asked);
    CHECK(session.wait() == "KeyboardInterrupt: ");
  }
}

TEST_CASE("Locks: after an interrupted wait a Condition is owned, so `with` can release it") {
  GuardSession session(kPatched + R"py(
condition = threading.Condition()
try:
    with condition:
        ready(); condition.wait()
except KeyboardInterrupt: result = condition.acquire(False)
)py");
  REQUIRE(session.wait_until_ready());
  session.stop(embed::StopLevel::Asked);
  CHECK(session.wait() == "True");
}

TEST_CASE("Locks: the session's other threads wait on through a stop") {
  GuardSession session(kPatched + R"py(
lock = _pyember.Lock(); lock.acquire(); got = []
thread = threading.Thread(target=lambda: got.append(lock.acquire())); thread.start()
ready()
try: _pyember.Lock().acquire() and time.sleep(60)
except OSError: pass
before = list(got); lock.release()
while not got: pass
result = before, got
)py");
  REQUIRE(session.wait_until_ready());
  session.stop(embed::StopLevel::Asked);
  CHECK(session.wait() == "([], [True])");
}

TEST_CASE("Locks: a wake-up that its receiver does not use goes to the next waiter") {
  CHECK(run_code(kPatched + R"py(
import sys; sys.setswitchinterval(1e-5)
lock = _pyember.Lock(); got = []
def impatient():
    for _ in range(200):
        if lock.acquire(timeout=0.0001): lock.release()
def patient():
    for _ in range(200):
        with lock: pass
    got.append(1)
threads = [threading.Thread(target=f) for f in (impatient, patient) * 4]
for each in threads: each.start()
for each in threads: each.join(15)
result = len(got)
)py") == "4");
}

TEST_CASE("Locks: waiters that are woken again and again do not crash the process") {
  GuardSession session(kPatched + R"py(
lock = _pyember.Lock(); lock.acquire()
def work():
    for wait in (0.05, 0.11, 0.07, 0.2): lock.acquire(timeout=wait)
threads = [threading.Thread(target=work) for _ in range(12)]
for each in threads: each.start()
ready()
for each in threads: each.join()
result = "done"
)py");
  REQUIRE(session.wait_until_ready());
  session.stop(embed::StopLevel::None);  // wakes all of them every few milliseconds
  CHECK(session.wait() == "done");
}

TEST_CASE("Locks: a waiter whose session was given up parks") {
  GuardSession session(kPatched +
                       "lock = _pyember.Lock(); lock.acquire(); ready(); lock.acquire()");
  REQUIRE(session.wait_until_ready());
  session.condemn();
  CHECK(session.wait_until_parked());
}

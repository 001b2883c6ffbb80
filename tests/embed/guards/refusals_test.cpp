#include "guard_session.h"

#include <clocale>
#include <string>

#include "embed/interpose_open.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::test;

namespace {

// Runs each line as an expression; what did not raise PermissionError (or the error named behind
// " # ") comes back.
std::string not_refused(const std::string& lines) {
  return run_code(
      "import os, signal, resource, ctypes, threading\n"
      "libc = ctypes.CDLL('libc.so.6', use_errno=True)\n"
      "ours = ctypes.CDLL(None, use_errno=True)\n"
      "def c(value):\n"
      "    if value in (-1, 1): raise OSError(ctypes.get_errno(), '')\n"
      "    return value\n"
      "result = []\n"
      "for line in '''" +
      lines +
      "'''.strip().splitlines():\n"
      "    code, _, expected = line.partition(' # ')\n"
      "    try: result.append((code, eval(code)))\n"
      "    except BaseException as error:\n"
      "        if type(error).__name__ != (expected or 'PermissionError'):\n"
      "            result.append((code, repr(error)))\n");
}

}  // namespace

TEST_CASE("Refusals: what reaches the whole process fails, and the process lives") {
  CHECK(not_refused(R"py(
os.kill(os.getpid(), 9)
os.kill(0, 9)
os.kill(-1, 9)
os.kill(-os.getpgrp(), 9)
os.kill(os.getppid(), 9)
os.killpg(os.getpgrp(), 9)
os.killpg(0, 9)
signal.raise_signal(signal.SIGTERM)
signal.pthread_kill(threading.get_ident(), signal.SIGKILL)
signal.pidfd_send_signal(os.pidfd_open(os.getpid()), 9)
signal.setitimer(signal.ITIMER_REAL, 0.01) # itimer_error
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
resource.prlimit(0, resource.RLIMIT_NOFILE, (3, 3))
resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE, (3, 3))
os.nice(1)
os.setpriority(os.PRIO_PROCESS, 0, 1)
os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
os.sched_setaffinity(os.getpid(), {0})
os.setsid()
os.setpgid(0, 0)
os.setuid(os.getuid())
os.setgid(os.getgid())
os.setgroups([])
os.chroot('/')
os.unshare(os.CLONE_FS)
os.putenv('A', 'b')
os.unsetenv('A')
os.fork() # RuntimeError
os.execv('/bin/true', ['true']) # RuntimeError
open('/proc/self/mem')
open('/proc/thread-self/mem')
open(f'/proc/{os.getpid()}/mem')
open('/proc/./self//mem')
open(f'/proc/self/task/{os.getpid()}/fd/1')
open('/proc/thread-self/../../mem')
open('/tmp/../proc/self/mem')
c(ours.kill(os.getpid(), 9))
c(libc.kill(os.getpid(), 9))
c(libc.fork())
c(libc.execl(b'/bin/true', b'true', None))
c(libc.execve(b'/bin/true', None, None))
c(libc.prctl(1, 9))
c(libc.personality(0x0040000))
c(libc.setenv(b'A', b'b', 1))
c(libc.sigaction(10, b'0' * 200, None))
c(libc.sigaltstack(b'0' * 24, None))
c(libc.pthread_cancel(ctypes.c_void_p(threading.get_ident())))
c(libc.syscall(62, os.getpid(), 9))
c(libc.syscall(57))
c(libc.syscall(438, os.pidfd_open(os.getpid()), 1, 0))
__import__('_testinternalcapi') # ImportError
)py") == "[]");
  CHECK(std::string(setlocale(LC_ALL, nullptr)) == "C");
  CHECK(getenv("A") == nullptr);
}

TEST_CASE("Refusals: what reaches only the session, a child or nobody works") {
  CHECK(run_code(R"py(
import os, signal, resource, subprocess
os.kill(os.getpid(), 0)
os.sched_setaffinity(0, os.sched_getaffinity(0))
child = subprocess.Popen(['sleep', '60'], start_new_session=True, umask=0o77)
resource.prlimit(child.pid, resource.RLIMIT_CORE, (0, 0))
os.setpriority(os.PRIO_PROCESS, child.pid, 5)
child.kill()
in_group = subprocess.Popen(['sleep', '60'], process_group=0)
os.killpg(in_group.pid, signal.SIGKILL)
shell = os.system('exit 3')
forked = subprocess.run(['true'], user=os.getuid()).returncode  # CPython forks for this one
result = child.wait(), in_group.wait(), os.waitstatus_to_exitcode(shell), os.popen('echo a').read(), forked
)py") == "(-9, -9, 3, 'a\\n', 0)");
}

TEST_CASE("Refusals: each message says what, why and what to do next") {
  const std::string text = run_code("import os; os.kill(os.getpid(), 9)");
  CHECK(text.find("Refused to send a signal") != text.npos);
  CHECK(text.find("shares the process") != text.npos);
  CHECK(text.find("subprocess.Popen.kill") != text.npos);
}

TEST_CASE("Refusals: what would end the process parks the thread") {
  for (const char* code : {"import os; os._exit(3)", "import ctypes; ctypes.CDLL(None).exit(3)",
                           "import ctypes; ctypes.CDLL('libc.so.6')._exit(3)",
                           "import ctypes; ctypes.CDLL('libc.so.6').quick_exit(3)",
                           "import ctypes; ctypes.CDLL(None).syscall(231, 3)",
                           "import ctypes; ctypes.CDLL(None).pthread_exit(None)"}) {
    INFO(code);
    GuardSession session(code);
    REQUIRE(session.wait_until_parked());
    CHECK(session.slot().park_reason == embed::ParkReason::Exited);
  }
}

TEST_CASE("Refusals: a session can't block or take the signals that hold it") {
  const std::string masked = run_code(R"py(
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
masked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
result = sorted(int(s) for s in signal.valid_signals() - masked)
)py");
  const int wake = embed::wake_signal();
  CHECK(masked == "[4, 5, 6, 7, 8, 9, 11, 19, " + std::to_string(wake) + ", " +
                      std::to_string(embed::park_signal()) + "]");
}

TEST_CASE("Threads: a session's threads are counted, bounded, and given back") {
  GuardSession session(R"py(
import threading
event = threading.Event(); threads = []
try:
    for _ in range(400):
        threads.append(threading.Thread(target=event.wait, daemon=True)); threads[-1].start()
except RuntimeError as error: text = str(error)
count = len(threads) - 1
event.set()
for each in threads[:-1]: each.join()
result = count, text
)py");
  CHECK(session.wait() == "(255, \"can't start new thread\")");
  for (int i = 0; i < 5000 && session.slot().thread_count > 1; i++)
    std::this_thread::sleep_for(1ms);
  CHECK(session.slot().thread_count == 1);
}

TEST_CASE("Threads: one that a session starts has a stack for signal handlers") {
  CHECK(run_code(R"py(
import ctypes, threading, struct
def look(out):
    stack = ctypes.create_string_buffer(24)
    out.append((ctypes.CDLL(None).sigaltstack(None, stack), struct.unpack('QiiQ', stack)[3] >= 65536))
out = []
look(out)
thread = threading.Thread(target=look, args=(out,)); thread.start(); thread.join()
result = out
)py") == "[(0, True), (0, True)]");
}

TEST_CASE("Locale: two sessions have different ones at once, and the server keeps its own") {
  const std::string set =
      "import locale\nlocale.setlocale(locale.LC_ALL, %);"
      "ready()\nimport time; time.sleep(0.2)\n"
      "result = locale.setlocale(locale.LC_ALL)";
  auto with = [&](const std::string& name) {
    std::string code = set;
    return code.replace(code.find('%'), 1, "'" + name + "'");
  };
  GuardSession first(with("C.UTF-8"));
  GuardSession second(with("C"));
  CHECK(first.wait() == "C.UTF-8");
  CHECK(second.wait() == "C");
  CHECK(std::string(setlocale(LC_ALL, nullptr)) == "C");
}

TEST_CASE("Locale: setting one category shows in the combined name, which can be set again") {
  CHECK(run_code(R"py(
import locale
locale.setlocale(locale.LC_CTYPE, 'C.UTF-8')
both = locale.setlocale(locale.LC_ALL)
locale.setlocale(locale.LC_ALL, 'C')
locale.setlocale(locale.LC_ALL, both)
try: locale.setlocale(locale.LC_ALL, 'no_SUCH')
except locale.Error: refused = True
result = both.split(';')[:2], locale.setlocale(locale.LC_ALL) == both, refused
)py") == "(['LC_CTYPE=C.UTF-8', 'LC_NUMERIC=C'], True, True)");
}

TEST_CASE("Locale: a thread that can't be started leaves no copy of it behind") {
  CHECK(run_code(R"py(
import ctypes, locale
class Memory(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]
libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Memory
locale.setlocale(locale.LC_ALL, 'C.UTF-8')
attributes = ctypes.create_string_buffer(256)
libc.pthread_attr_init(attributes)
libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(2**46))  # more than there is to map
thread = ctypes.c_ulong()
def refused(count):  # by libc itself: CPython leaks a block of its own at each refusal
    return sum(libc.pthread_create(ctypes.byref(thread), attributes, libc.abs, None) != 0 for _ in range(count))
refused(10)
before = libc.mallinfo2().uordblks
failures = refused(2000)
grown = libc.mallinfo2().uordblks - before
result = failures, grown < 100_000 or grown
)py") == "(2000, True)");
}

TEST_CASE("Paths: those that name the process mean the session's thread") {
  CHECK(run_code(R"py(
import os
r, w = os.pipe()
os.dup2(w, 1)
with open('/dev/stdout', 'w') as out: out.write('a')
with open('/proc/self/fd/1', 'w') as out: out.write('b')
with open(f'/proc/{os.getpid()}/fd/1', 'w') as out: out.write('c')
with open('/dev/fd/1', 'w') as out: out.write('d')
def missing(path):
    try: open(path)
    except FileNotFoundError: return True
result = os.read(r, 10), missing('/proc/self/fd/77'), open('/proc/1/stat').read(2), os.path.exists('/proc/self/status')
)py") == "(b'abcd', True, '1 ', True)");
}

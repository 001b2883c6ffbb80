#include "guard_session.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>

#include "support/catch.h"

using namespace pyember;
using namespace pyember::test;

namespace {

constexpr char kCanceled[] = "OSError: [Errno 125] Operation canceled";

// Each must still be waiting when the stop comes; `ready()` stands right before the wait.
const std::string kWaits[] = {
    "import time; ready(); time.sleep(60)",
    "import os; r, w = os.pipe(); ready(); os.read(r, 1)",
    "import os; r, w = os.pipe(); ready(); os.readv(r, [bytearray(1)])",
    "import os; r, w = os.pipe(); ready()\n"
    "while True: os.write(w, b'x' * 10**6)",
    "import select, os; r, w = os.pipe(); ready(); select.select([r], [], [])",
    "import select, os; r, w = os.pipe(); p = select.poll(); p.register(r); ready(); p.poll()",
    "import select, os; r, w = os.pipe(); p = select.epoll(); p.register(r); ready(); p.poll()",
    "import socket; a, b = socket.socketpair(); ready(); a.recv(1)",
    "import socket; a, b = socket.socketpair(); ready(); a.recvfrom(1)",
    "import socket; a, b = socket.socketpair(); ready(); a.recvmsg(1)",
    "import socket; a, b = socket.socketpair(); ready(); a.sendall(b'x' * 10**8)",
    "import socket; a, b = socket.socketpair(); a.settimeout(60); ready(); a.recv(1)",
    "import socket; s = socket.create_server(('127.0.0.1', 0)); ready(); s.accept()",
    // The second connection finds the queue of one full and waits (listen(2), tcp(7)).
    "import socket\n"
    "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(0); kept = []\n"
    "for _ in range(2):\n"
    "    c = socket.socket(); c.setblocking(False); c.connect_ex(s.getsockname()); kept.append(c)\n"
    "c = socket.socket(); ready(); c.connect(s.getsockname())",
    "import _pyember, subprocess; p = subprocess.Popen(['sleep', '60']);"
    "_pyember.note_child(p.pid); ready(); p.wait()",
    "import _pyember, os, subprocess; p = subprocess.Popen(['sleep', '60']);"
    "_pyember.note_child(p.pid); ready(); os.waitpid(p.pid, 0)",
    "import _pyember, os, subprocess; p = subprocess.Popen(['sleep', '60']);"
    "_pyember.note_child(p.pid); ready(); os.wait()",
    "import os; ready(); os.system('exec sleep 60'); raise OSError(125, 'Operation canceled')",
    "import fcntl, tempfile; f = tempfile.NamedTemporaryFile(); g = open(f.name);"
    "fcntl.flock(f, fcntl.LOCK_EX); ready(); fcntl.flock(g, fcntl.LOCK_EX)",
    "import os, tempfile; p = tempfile.mkdtemp() + '/fifo'; os.mkfifo(p); ready(); os.open(p, 0)",
    "import signal; ready(); signal.sigwaitinfo([signal.SIGUSR1])",
    "import signal; ready(); signal.sigwait(range(1, 32))",
    "import signal; ready(); signal.pause(); raise OSError(125, 'Operation canceled')",
    "import asyncio\n"
    "async def main():\n    ready()\n    await asyncio.sleep(60)\n"
    "asyncio.run(main())",
};

}  // namespace

TEST_CASE("Waits: each of them ends with ECANCELED once a stop was asked for") {
  for (const std::string& code : kWaits) {
    INFO(code);
    GuardSession session(code);
    REQUIRE(session.wait_until_ready());
    session.stop(embed::StopLevel::Asked);
    const auto text = session.wait();
    REQUIRE(text.has_value());
    CHECK(text->substr(0, sizeof kCanceled - 1) == kCanceled);
  }
}

TEST_CASE("Waits: a signal alone does not end one") {
  GuardSession session(
      "import time; t = time.monotonic(); ready(); time.sleep(0.3);"
      "result = time.monotonic() - t >= 0.3");
  REQUIRE(session.wait_until_ready());
  session.stop(embed::StopLevel::None);
  CHECK(session.wait() == "True");
}

TEST_CASE("Waits: a stop leaves the session's other threads waiting") {
  GuardSession session(
      "import os, threading, time\n"
      "r, w = os.pipe(); got = []\n"
      "thread = threading.Thread(target=lambda: got.append(os.read(r, 1))); thread.start()\n"
      "ready()\n"
      "try: time.sleep(60)\n"
      "except OSError: os.write(w, b'x')\n"
      "while not got: pass\n"
      "result = got");
  REQUIRE(session.wait_until_ready());
  session.stop(embed::StopLevel::Asked);
  CHECK(session.wait() == "[b'x']");
}

TEST_CASE("Waits: a thread whose session was given up parks in its wait") {
  GuardSession session("import time; ready(); time.sleep(3600)");
  REQUIRE(session.wait_until_ready());
  session.condemn();
  REQUIRE(session.wait_until_parked());
  CHECK(session.slot().park_reason == embed::ParkReason::Stopped);
}

TEST_CASE("Waits: on a server's thread an interrupted read is just interrupted") {
  GuardSession session(
      "import time; ready(); time.sleep(0)");  // installs the wake signal's handler
  REQUIRE(session.wait());
  session.stop(embed::StopLevel::Asked);
  int pipe_ends[2];
  REQUIRE(pipe(pipe_ends) == 0);
  std::atomic<int> error{-1};
  std::thread reader([&] {
    char byte;
    error = read(pipe_ends[0], &byte, 1) == -1 ? errno : 0;
  });
  while (error == -1) {
    pthread_kill(reader.native_handle(), embed::wake_signal());
    std::this_thread::sleep_for(1ms);
  }
  reader.join();
  CHECK(error == EINTR);
}

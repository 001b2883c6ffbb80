#include <thread>

#include "session_driver.h"
#include "support/catch.h"

using namespace std::chrono_literals;
using pyember::embed::Status;
using pyember::test::SessionDriver;

TEST_CASE("Session: the value of the last expression is the result") {
  SessionDriver session;
  const auto answer = session.run("1 + 1");
  CHECK(answer.outcome.status == Status::Completed);
  CHECK(answer.outcome.result == "2");
}

TEST_CASE("Session: a name bound in one cell is visible in the next") {
  SessionDriver session;
  CHECK(session.run("def double(x):\n    return 2 * x").outcome.status == Status::Completed);
  CHECK(session.run("double(21)").outcome.result == "42");
}

TEST_CASE("Session: print, C-level writes and children come out in order") {
  SessionDriver session;
  const auto answer = session.run(
      "import os, subprocess\nprint('one')\nos.write(1, b'two\\n')\n"
      "subprocess.run(['echo', 'three'])\nos.system('echo four')\nprint('five')");
  CHECK(answer.output == "one\ntwo\nthree\nfour\nfive\n");
}

TEST_CASE("Session: an exception is a raised cell with its traceback") {
  SessionDriver session;
  const auto answer = session.run("def f():\n    1 / 0\nf()");
  CHECK(answer.outcome.status == Status::Raised);
  REQUIRE(answer.outcome.error);
  CHECK(answer.outcome.error->type == "ZeroDivisionError");
  CHECK(answer.outcome.error->traceback.find("1 / 0") != std::string::npos);
}

TEST_CASE("Session: a loop that swallows every exception stops with the session intact") {
  SessionDriver session;
  session.run("kept = 'yes'");
  const auto answer = session.run(
      "while True:\n    try:\n        while True: pass\n    except BaseException: pass", 100ms);
  CHECK(answer.outcome.status == Status::TimedOut);
  CHECK(session.run("kept").outcome.result == "'yes'");
}

TEST_CASE("Session: a sleeping cell wakes with the session intact", "[interposed]") {
  SessionDriver session;
  const auto answer = session.run("kept = 1\nimport time\ntime.sleep(1000)", 50ms);
  CHECK(answer.outcome.status == Status::TimedOut);
  CHECK(session.run("kept").outcome.result == "1");
}

TEST_CASE("Session: the deadline of the cell that runs can be moved, and of no other") {
  SessionDriver session;
  const auto number = session.submit("import time\ntime.sleep(0.3)\n'slept'", 1h);
  while (!session.session().running()) std::this_thread::sleep_for(1ms);
  session.session().move_deadline(number + 1, -10h);
  session.session().move_deadline(number, 2h);
  session.session().move_deadline(number, -2h);
  CHECK(session.wait(number).outcome.result == "'slept'");
  const auto other = session.submit("import time\ntime.sleep(1000)", 1h);
  while (!session.session().running()) std::this_thread::sleep_for(1ms);
  session.session().move_deadline(other, -2h);
  CHECK(session.wait(other).outcome.status == Status::TimedOut);
  session.session().move_deadline(other, -1h);
  CHECK(session.run("1 + 1").outcome.result == "2");
}

TEST_CASE("Session: C code that never looks is parked and the session lost") {
  SessionDriver session;
  const auto answer = session.run("sum(range(10**12))", 50ms);
  CHECK(answer.outcome.status == Status::Lost);
  CHECK(answer.outcome.elapsed < 5s);
  CHECK(!session.wait_until_lost().empty());
  SessionDriver next;
  CHECK(next.run("1 + 1").outcome.result == "2");
}

TEST_CASE("Session: a crash is its own and carries the Python stack") {
  SessionDriver bystander;
  bystander.run("x = 5");
  SessionDriver session;
  const auto answer = session.run("import ctypes\ndef boom():\n    ctypes.string_at(0)\nboom()");
  CHECK(answer.outcome.status == Status::Lost);
  REQUIRE(answer.outcome.error);
  CHECK(answer.outcome.error->traceback.find("in boom") != std::string::npos);
  CHECK(bystander.run("x").outcome.result == "5");
}

TEST_CASE("Session: two sessions have their own directory, environment and names") {
  SessionDriver one, two;
  one.run("import os; os.chdir('/usr'); os.environ['WHO'] = 'one'; x = 1");
  two.run("import os; os.chdir('/tmp'); os.environ['WHO'] = 'two'");
  CHECK(one.run("print(os.getcwd(), os.environ['WHO'])").output == "/usr one\n");
  CHECK(two.run("print(os.getcwd(), os.environ['WHO'])").output == "/tmp two\n");
  CHECK(one.run("os.system('echo $PWD $WHO')").output == "/usr one\n");
  CHECK(two.run("x").outcome.status == Status::Raised);
}

TEST_CASE("Session: top-level await works and the loop lives between cells") {
  SessionDriver session;
  session.run(
      "import asyncio\nasync def later():\n    await asyncio.sleep(0.01)\n    return 'done'");
  session.run("task = asyncio.ensure_future(later())\nawait asyncio.sleep(0)");
  CHECK(session.run("await task").outcome.result == "'done'");
}

TEST_CASE("Session: reset empties the namespace and the modules") {
  SessionDriver session;
  session.run("x = 1\nimport json\njson.dumps = None");
  session.reset();
  CHECK(session.run("x").outcome.status == Status::Raised);
  CHECK(session.run("import json; json.dumps([1])").outcome.result == "'[1]'");
}

TEST_CASE("Session: names are listed without running user code") {
  SessionDriver session;
  session.run("class Trap:\n    def __repr__(self): raise SystemExit\ntrap = Trap()\nnumber = 12");
  const auto names = session.names();
  bool number = false, trap = false;
  for (const auto& name : names) {
    number = number || (name.name == "number" && name.type == "int" && name.short_repr == "12");
    trap = trap || name.name == "trap";
  }
  CHECK(number);
  CHECK(trap);
}

TEST_CASE("Session: an interrupt from outside stops the running cell") {
  SessionDriver session;
  const auto number = session.submit(
      "import threading\nthreading.Lock().acquire()\nl = "
      "threading.Lock()\nl.acquire()\nl.acquire()");
  while (!session.session().running()) usleep(1000);
  usleep(50'000);
  session.session().interrupt(0);
  CHECK(session.wait(number).outcome.status == Status::Interrupted);
  CHECK(session.run("l.locked()").outcome.result == "True");
}

TEST_CASE("Session: what C code prints through stdio arrives at once, in order") {
  SessionDriver session;
  const auto answer = session.run(
      "import ctypes\nlibc = "
      "ctypes.CDLL(None)\nprint('one')\nlibc.printf(b'two\\n')\nprint('three')");
  CHECK(answer.output == "one\ntwo\nthree\n");
}

TEST_CASE("Session: the locale is the session's own", "[interposed]") {
  SessionDriver one, two;
  CHECK(one.run("import locale; locale.setlocale(locale.LC_ALL, 'C.UTF-8')").outcome.result ==
        "'C.UTF-8'");
  CHECK(two.run("import locale; locale.setlocale(locale.LC_ALL)").outcome.result != "'C.UTF-8'");
  CHECK(one.run("locale.setlocale(locale.LC_ALL)").outcome.result == "'C.UTF-8'");
}

TEST_CASE("Session: closed output descriptors are open again for the next cell, which says so") {
  SessionDriver session;
  session.run("import os; os.close(1); os.close(2)");
  const auto answer = session.run("print('back')");
  CHECK(answer.output == "back\n");
  REQUIRE(answer.outcome.notices.size() == 1);
  CHECK(answer.outcome.notices[0].find("opened again") != std::string::npos);
  CHECK(session.run("print('still')").outcome.notices.empty());
}

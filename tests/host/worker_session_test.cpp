// Sessions in real workers: the runtime's own zygote, under the Python that the server embeds.

#include <signal.h>

#include <sstream>

#include "host/runs/process_identity.h"
#include "support/catch.h"
#include "worker_fixture.h"

using namespace pyember;
using namespace pyember::host;
using namespace std::chrono_literals;
using embed::Status;

namespace {

struct Real {
  LoopFixture loop;
  Workers workers{loop.loop, {PYEMBER_TEST_RUNTIME}};
  WorkerPlace place{PYEMBER_TEST_PYTHON, {}, {}};
};

struct Opened : Real {
  HeardSession session{loop, workers, place};

  HeardSession::Ended& run(const std::string& code, std::chrono::milliseconds timeout = 60s) {
    HeardSession::Ended* end = session.run(code, timeout);
    REQUIRE(end != nullptr);
    return *end;
  }
  // Of a cell that ends the session.
  std::string lost_by(const std::string& code, std::chrono::milliseconds timeout = 60s) {
    HeardSession::Ended& end = run(code, timeout);
    CHECK(end.outcome.status == Status::Lost);
    REQUIRE(end.outcome.error.has_value());
    REQUIRE(loop.until([&] { return !session.lost.empty(); }));
    CHECK(session.lost.size() == 1);
    CHECK(session.lost.front() == end.outcome.error->message);
    return session.lost.front();
  }
};

}  // namespace

TEST_CASE("Worker session: names live from cell to cell, and results are shown") {
  Opened each;
  CHECK(each.run("x = 20").outcome.result == std::nullopt);
  CHECK(each.run("x + 1").outcome.result == "21");
  CHECK(each.session.worker().process_id() > 0);
}

TEST_CASE("Worker session: what raises is an outcome with its traceback") {
  Opened each;
  const HeardSession::Ended& end = each.run("def f():\n    return 1 / 0\nf()");
  CHECK(end.outcome.status == Status::Raised);
  CHECK(end.outcome.error->type == "ZeroDivisionError");
  CHECK(says(end.outcome.error->traceback, "return 1 / 0"));
}

TEST_CASE("Worker session: text that is not Unicode reaches the answer") {
  Opened each;
  const HeardSession::Ended& end = each.run("raise ValueError('\\ud800 odd')");
  CHECK(end.outcome.status == Status::Raised);
  CHECK(says(end.outcome.error->message, "odd"));
  CHECK(each.run("1").outcome.status == Status::Completed);
}

TEST_CASE("Worker session: both streams are kept apart") {
  Opened each;
  const HeardSession::Ended& end = each.run("import sys; print('a'); print('b', file=sys.stderr)");
  CHECK(end.has_output);
  REQUIRE(each.loop.until([&] { return !each.session.errors.empty(); }));
  CHECK(each.session.output == "a\n");
  CHECK(each.session.errors == "b\n");
}

TEST_CASE("Worker session: a megabyte of output fits into its pipe") {
  Opened each;
  const HeardSession::Ended& end =
      each.run("import os\nfor _ in range(16): os.write(1, b'x' * 65536)");
  CHECK(end.outcome.status == Status::Completed);
  REQUIRE(each.loop.until([&] { return each.session.output.size() == 1u << 20; }));
}

TEST_CASE("Worker session: an interrupt ends the cell and leaves the session") {
  Opened each;
  each.run("x = 1");
  for (const char* code : {"while True: pass", "import time; time.sleep(60)",
                           "import subprocess; subprocess.run(['sleep', '60'])"}) {
    each.session.submit(code);
    REQUIRE(each.loop.until([&] { return each.session.session().running().has_value(); }));
    each.loop.turn_for(30ms);
    each.session.session().interrupt(0);
    const HeardSession::Ended* end = each.session.next();
    REQUIRE(end != nullptr);
    CHECK(end->outcome.status == Status::Interrupted);
  }
  CHECK(each.run("x").outcome.result == "1");
}

TEST_CASE("Worker session: an interrupt of another cell, or of none, does nothing") {
  Opened each;
  each.run("x = 1");
  each.session.session().interrupt(0);
  each.session.submit("import time; time.sleep(0.1); 'through'");
  each.session.session().interrupt(1);
  const HeardSession::Ended* end = each.session.next();
  REQUIRE(end != nullptr);
  CHECK(end->outcome.result == "'through'");
}

TEST_CASE("Worker session: a cell ends at its deadline, counted from its beginning") {
  Opened each;
  each.session.submit("import time; time.sleep(0.3)", 60s);
  each.session.submit("'in time'", 200ms);
  REQUIRE(each.session.next() != nullptr);
  REQUIRE(each.session.next() != nullptr);
  CHECK(each.session.ended.back().outcome.result == "'in time'");
  CHECK(each.run("while True: pass", 50ms).outcome.status == Status::TimedOut);
  CHECK(each.run("1").outcome.status == Status::Completed);
}

TEST_CASE("Worker session: code that swallows BaseException is stopped too", "[slow]") {
  Opened each;
  const HeardSession::Ended& end = each.run(
      "x = 5\nwhile True:\n    try:\n        while True: pass\n    except BaseException: pass",
      50ms);
  CHECK(end.outcome.status == Status::TimedOut);
  CHECK(each.run("x").outcome.result == "5");
}

TEST_CASE("Worker session: code that can't be asked is stopped by force", "[slow]") {
  Opened each;
  const std::string why = each.lost_by("sum(range(10**13))", 50ms);
  CHECK(says(why, "did not stop when its time was over"));
}

TEST_CASE("Worker session: a fatal signal is told with its Python stack") {
  Opened each;
  each.run("def culprit():\n    import ctypes; ctypes.string_at(0)");
  const std::string why = each.lost_by("print('before', flush=True)\nculprit()");
  CHECK(says(why, "SIGSEGV"));
  const embed::CellOutcome& outcome = each.session.ended.back().outcome;
  CHECK(outcome.error->type == "Crash");
  CHECK(outcome.error->traceback.starts_with("Crash: The code crashed"));
  CHECK(says(outcome.error->traceback, "culprit"));
  CHECK_FALSE(says(outcome.error->traceback, "/mcp_runtime/"));
  REQUIRE(each.loop.until([&] { return !each.session.output.empty(); }));
  CHECK(each.session.output == "before\n");
}

TEST_CASE("Worker session: an exit is told with its code") {
  Opened each;
  CHECK(says(each.lost_by("import os; os._exit(3)"), "exit code 3"));
  CHECK(each.session.ended.back().outcome.error->type == "Exited");
}

TEST_CASE("Worker session: a kill is told as that") {
  Opened each;
  CHECK(says(each.lost_by("import os; os.kill(os.getpid(), 9)"), "killed (SIGKILL)"));
}

TEST_CASE("Worker session: code that closes every descriptor is told so") {
  Opened each;
  CHECK(says(each.lost_by("import os; os.closerange(3, 65536)"), "closed the descriptor"));
  CHECK(each.session.ended.back().outcome.error->type == "Broken");
}

TEST_CASE("Worker session: one whose limits leave it no room to begin says so") {
  Real real;
  WorkerLimits limits;
  limits.memory_bytes = 4096;
  HeardSession session(real.loop, real.workers, real.place, limits);
  session.submit("1");
  REQUIRE(real.loop.until([&] { return !session.lost.empty(); }));
  CHECK(says(session.lost.front(), "before it was ready"));
  CHECK(says(session.lost.front(), "raise the session's limits"));
}

TEST_CASE("Worker session: one that dies while idle is told as lost") {
  Opened each;
  each.run("1");
  kill(each.session.worker().process_id(), SIGTERM);
  REQUIRE(each.loop.until([&] { return !each.session.lost.empty(); }));
  CHECK(says(each.session.lost.front(), "SIGTERM"));
  CHECK(each.session.ended.size() == 1);
}

TEST_CASE("Worker session: what waits behind a cell that ends the session is not run") {
  Opened each;
  each.session.submit("import os, time; time.sleep(0.05); os._exit(1)");
  each.session.submit("2");
  REQUIRE(each.loop.until([&] { return !each.session.lost.empty(); }));
  CHECK(each.session.ended.size() == 1);
}

TEST_CASE("Worker session: a memory limit raises MemoryError and leaves the session") {
  Real real;
  WorkerLimits limits;
  limits.memory_bytes = 512u << 20;
  HeardSession session(real.loop, real.workers, real.place, limits);
  const HeardSession::Ended* end = session.run("x = bytearray(1 << 30)");
  REQUIRE(end != nullptr);
  CHECK(end->outcome.status == Status::Raised);
  CHECK(end->outcome.error->type == "MemoryError");
  REQUIRE(session.run("1") != nullptr);
  CHECK(session.ended.back().outcome.status == Status::Completed);
}

TEST_CASE("Worker session: the namespace is listed") {
  Opened each;
  each.run("count = 3");
  each.session.session().inspect(7);
  REQUIRE(each.loop.until([&] { return !each.session.names.empty(); }));
  CHECK(each.session.names.front().first == 7);
  REQUIRE(each.session.names.front().second.size() == 1);
  CHECK(each.session.names.front().second.front().name == "count");
}

TEST_CASE("Worker session: a reset gives a fresh process and keeps the pipes") {
  Opened each;
  each.run("x = 1");
  const pid_t before = each.session.worker().process_id();
  each.session.session().reset(4);
  each.session.submit("'x' in globals()");
  const HeardSession::Ended* end = each.session.next();
  REQUIRE(end != nullptr);
  CHECK(end->outcome.result == "False");
  REQUIRE(each.session.resets.size() == 1);
  CHECK(each.session.resets.front() == 4);
  CHECK(each.session.worker().process_id() != before);
  CHECK(is_no_more(before));
  each.run("print('again')");
  REQUIRE(each.loop.until([&] { return each.session.output == "again\n"; }));
}

TEST_CASE("Worker session: a reset stops what runs, and threads print nothing into the next cell") {
  Opened each;
  each.run(
      "import threading, time\ndef chatter():\n    while True: print('noise', flush=True); "
      "time.sleep(0.001)\nthreading.Thread(target=chatter, daemon=True).start()");
  each.session.submit("while True: pass");
  REQUIRE(each.loop.until([&] { return each.session.session().running().has_value(); }));
  each.session.session().reset(1);
  REQUIRE(each.loop.until([&] { return !each.session.resets.empty(); }));
  CHECK(each.session.ended.back().outcome.status == Status::Interrupted);
  CHECK(each.session.lost.empty());
  each.session.output.clear();
  each.run("print('clean')");
  REQUIRE(each.loop.until([&] { return !each.session.output.empty(); }));
  CHECK(each.session.output == "clean\n");
}

TEST_CASE("Worker session: a reset of code that can't be asked replaces it by force", "[slow]") {
  Opened each;
  each.run("x = 1");
  each.session.submit("sum(range(10**13))");
  each.loop.turn_for(50ms);
  each.session.session().reset(1);
  REQUIRE(each.loop.until([&] { return !each.session.resets.empty(); }));
  CHECK(each.session.ended.back().outcome.status == Status::Interrupted);
  CHECK(each.run("'x' in globals()").outcome.result == "False");
}

TEST_CASE("Worker session: directories with packages are added from the next cell on") {
  Opened each;
  each.run("import sys");
  each.session.worker().change_packages(
      {each.place.python, {"/no/such/one", PYEMBER_TEST_FAKE_ZYGOTE}, {}});
  const std::string code = std::string("'") + PYEMBER_TEST_FAKE_ZYGOTE + "' in sys.path";
  CHECK(each.run(code).outcome.result == "True");
  each.session.session().reset(1);
  CHECK(each.run("import sys; " + code).outcome.result == "True");
}

TEST_CASE("Worker session: two run at the same time") {
  Real real;
  HeardSession one(real.loop, real.workers, real.place);
  HeardSession two(real.loop, real.workers, real.place);
  REQUIRE(one.run("1") != nullptr);
  one.submit("import time; time.sleep(0.5)");
  REQUIRE(two.run("2") != nullptr);
  CHECK(one.ended.size() == 1);
  REQUIRE(one.next() != nullptr);
}

TEST_CASE("Worker session: only a plain process may be held on one CPU") {
  Opened each;
  CHECK(each.session.session().thread_id() == 0);
  each.run("1");
  CHECK(each.session.session().thread_id() == each.session.worker().process_id());
  each.run(
      "import threading\nstop = threading.Event()\nthreading.Thread(target=stop.wait, "
      "daemon=True).start()");
  CHECK(each.session.session().thread_id() == 0);
}

TEST_CASE("Worker session: closing leaves no process and no descriptor") {
  Real real;
  {
    HeardSession warm(real.loop, real.workers, real.place);
    REQUIRE(warm.run("1") != nullptr);
  }
  const std::size_t before = open_descriptors();
  std::vector<pid_t> processes;
  for (int i = 0; i < 5; ++i) {
    HeardSession session(real.loop, real.workers, real.place);
    const HeardSession::Ended* end = session.run(
        "import subprocess, os\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "orphan = int(subprocess.check_output('setsid sleep 600 >/dev/null & echo $!', "
        "shell=True))\n"
        "f'{os.getpid()} {child.pid} {orphan}'");
    REQUIRE(end != nullptr);
    REQUIRE(end->outcome.result.has_value());
    std::istringstream numbers(end->outcome.result->substr(1));
    pid_t pid = 0;
    while (numbers >> pid) processes.push_back(pid);
    if (i % 2 == 1) session.submit("while True: pass");
  }
  CHECK(processes.size() == 15);
  CHECK(real.loop.until([&] {
    return std::all_of(processes.begin(), processes.end(), is_no_more) &&
           open_descriptors() <= before;
  }));
}

TEST_CASE("Worker session: one that is closed before it was forked leaves no process") {
  Opened each;
  for (int i = 0; i < 3; ++i) HeardSession(each.loop, each.workers, each.place);
  each.run("1");
  const std::string children =
      "open(f'/proc/{__import__(\"os\").getppid()}/task/{__import__(\"os\").getppid()}/children')"
      ".read().split()";
  // Itself, and at most a spare.
  CHECK(each.loop.until(
      [&] { return each.run("len(" + children + ") <= 2").outcome.result == "True"; }));
}

TEST_CASE("Workers: their end kills every process, and sessions can't be opened after it") {
  Real real;
  HeardSession session(real.loop, real.workers, real.place);
  const HeardSession::Ended* end = session.run(
      "import subprocess, os\nchild = subprocess.Popen(['sleep', '600'])\n"
      "f'{os.getpid()} {child.pid} {os.getppid()}'");
  REQUIRE(end != nullptr);
  std::istringstream numbers(end->outcome.result->substr(1));
  std::vector<pid_t> processes(3);
  for (pid_t& pid : processes) numbers >> pid;
  real.workers.end(5s);
  // All are killed; those below the keeper, which is reaped, may take a moment to die.
  CHECK(real.loop.until([&] {
    return std::none_of(processes.begin(), processes.end(),
                        [](pid_t pid) { return is_alive(identity_of(pid)); });
  }));
  HeardSession late(real.loop, real.workers, real.place);
  REQUIRE(real.loop.until([&] { return !late.lost.empty(); }));
  CHECK(says(late.lost.front(), "server is ending"));
}

TEST_CASE("Workers: preloading answers for what it does, and sessions open after it") {
  Real real;
  real.workers.preload(real.place, {"decimal"});
  HeardSession session(real.loop, real.workers, real.place);
  const HeardSession::Ended* end = session.run("import sys; 'decimal' in sys.modules");
  REQUIRE(end != nullptr);
  CHECK(end->outcome.result == "True");
}

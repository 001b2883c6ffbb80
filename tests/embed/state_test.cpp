#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "session_driver.h"
#include "support/catch.h"

// The state of one session in another: CellKind::Snapshot and Restore.

using namespace std::chrono_literals;
using pyember::embed::CellKind;
using pyember::embed::Status;
using pyember::test::SessionDriver;

namespace {

class StateFile {
 public:
  StateFile() : path_("/tmp/pyember-state-" + std::to_string(getpid()) + ".bin") {}
  ~StateFile() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("State: names, what they share, functions and classes go on in another session") {
  StateFile file;
  SessionDriver one;
  const auto defined = one.run(
      "import json, os, threading, datetime\nfrom dataclasses import dataclass\n"
      "numbers = [1, 2]; same = numbers; factor = 3\n"
      "def scaled(x):\n    return x * factor\n"
      "@dataclass\nclass Point:\n    x: int\n    def far(self): return scaled(self.x)\n"
      "point = Point(4); lock = threading.Lock(); condition = threading.Condition()\n"
      "kill = os.kill; today = datetime.date(2026, 11, 21)\n"
      "os.environ['CARRIED'] = 'yes'; os.chdir('/usr')");
  INFO((defined.outcome.error ? defined.outcome.error->traceback : ""));
  REQUIRE(defined.outcome.status == Status::Completed);
  const auto saved = one.carry(CellKind::Snapshot, file.path());
  CHECK(saved.outcome.status == Status::Completed);
  INFO(saved.outcome.result.value_or("")
       << (saved.outcome.error ? saved.outcome.error->traceback : ""));
  REQUIRE(saved.outcome.notices.size() == 1);
  CHECK(contains(saved.outcome.notices[0], "lock"));
  CHECK(contains(saved.outcome.notices[0], "condition"));
  struct stat status {};
  REQUIRE(stat(file.path().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);

  SessionDriver two;
  const auto restored = two.carry(CellKind::Restore, file.path());
  INFO((restored.outcome.error ? restored.outcome.error->traceback : ""));
  REQUIRE(restored.outcome.status == Status::Completed);
  CHECK(restored.outcome.notices.empty());
  CHECK(two.run("same is numbers, point, point.far(), type(point) is Point").outcome.result ==
        "(True, Point(x=4), 12, True)");
  CHECK(two.run("factor = 5; point.far()").outcome.result == "20");
  CHECK(two.run("kill is os.kill, os.environ['CARRIED'], os.getcwd(), str(today)").outcome.result ==
        "(True, 'yes', '/usr', '2026-11-21')");
  const auto failed = two.run("scaled(None)");
  REQUIRE(failed.outcome.error);
  CHECK(contains(failed.outcome.error->traceback, "return x * factor"));
}

TEST_CASE("State: an object whose pickling hangs is left behind when the time is over") {
  StateFile file;
  SessionDriver one;
  REQUIRE(one.run("class Hanging:\n    def __reduce__(self):\n        while True: pass\n"
                  "first = Hanging(); data = [1, 2, 3]; f = lambda: data")
              .outcome.status == Status::Completed);
  const auto saved = one.carry(CellKind::Snapshot, file.path(), 1s);
  CHECK(saved.outcome.status == Status::Completed);
  REQUIRE(saved.outcome.notices.size() == 1);
  CHECK(contains(saved.outcome.notices[0], "first"));
  CHECK(one.run("data").outcome.result == "[1, 2, 3]");
  SessionDriver two;
  REQUIRE(two.carry(CellKind::Restore, file.path()).outcome.status == Status::Completed);
  CHECK(two.run("f()").outcome.result == "[1, 2, 3]");
  CHECK(two.run("first").outcome.error->type == "NameError");
}

TEST_CASE("State: a missing file is an error that says so, and the session goes on") {
  SessionDriver session;
  const auto answer = session.carry(CellKind::Restore, "/tmp/pyember-no-such-state");
  CHECK(answer.outcome.status == Status::Raised);
  REQUIRE(answer.outcome.error);
  CHECK(answer.outcome.error->type == "SnapshotError");
  CHECK(contains(answer.outcome.error->message, "does not exist"));
  CHECK(session.run("1 + 1").outcome.result == "2");
}

TEST_CASE("State: a session that has carried its state is reset to a clean one") {
  StateFile file;
  SessionDriver session;
  session.run("def f(): return 1");
  REQUIRE(session.carry(CellKind::Snapshot, file.path()).outcome.status == Status::Completed);
  session.reset();
  CHECK(session.run("'f' in globals()").outcome.result == "False");
}

TEST_CASE("LookAhead: a cell that needs a worker is not run, nor is the next; the state is saved") {
  StateFile file;
  pyember::embed::SessionOptions options;
  options.name = "looking";
  options.working_directory = "/tmp";
  options.look_ahead = true;
  SessionDriver session(std::move(options));
  // A package with an extension module that does not say that it supports a GIL of its own.
  const auto made = session.run(
      "import os, sys, sysconfig, tempfile\n"
      "place = tempfile.TemporaryDirectory()\n"
      "inner = os.path.join(place.name, 'numbers_like', 'core'); os.makedirs(inner)\n"
      "open(os.path.join(place.name, 'numbers_like', '__init__.py'), 'w').write('print(1)')\n"
      "suffix = sysconfig.get_config_var('EXT_SUFFIX')\n"
      "real = os.path.join(sysconfig.get_path('stdlib'), 'lib-dynload', 'readline' + suffix)\n"
      "os.symlink(real, os.path.join(inner, 'part' + suffix))\n"
      "sys.path.append(place.name); ran = []; os.path.exists(real)");
  INFO((made.outcome.error ? made.outcome.error->traceback : ""));
  REQUIRE(made.outcome.status == Status::Completed);
  if (made.outcome.result != "True") return;  // readline is built in, or left out

  const std::string code = "ran.append(1)\nimport numbers_like";
  const auto number = session.submit(code);
  session.submit("ran.append(2)");
  const auto answer = session.wait(number);
  CHECK(answer.outcome.needs_worker ==
        "it imports numbers_like, which does not load in a sub-interpreter");
  CHECK(answer.output.empty());
  REQUIRE(session.session().take_back().size() == 1);  // it waits, and so would what comes behind

  const auto saved = session.carry(CellKind::Snapshot, file.path());
  CHECK(saved.outcome.status == Status::Completed);
  SessionDriver next;
  REQUIRE(next.carry(CellKind::Restore, file.path()).outcome.status == Status::Completed);
  CHECK(next.run("ran, place.name in sys.path").outcome.result == "([], True)");
}

TEST_CASE("LookAhead: a session that is not to look runs the cell") {
  SessionDriver session;
  CHECK(session.run("import ctypes; 1").outcome.result == "1");
}

// Live copies of sessions in real workers: sessions of their own, and states to go back to.

#include <signal.h>

#include "host/runs/process_identity.h"
#include "support/catch.h"
#include "worker_fixture.h"

using namespace pyember;
using namespace pyember::host;
using namespace std::chrono_literals;
using embed::Status;

namespace {

struct Pair {
  LoopFixture loop;
  Workers workers{loop.loop, {PYEMBER_TEST_RUNTIME}};
  WorkerPlace place{PYEMBER_TEST_PYTHON, {}, {}};
  HeardSession session{loop, workers, place};
  std::unique_ptr<HeardSession> copy;
  std::optional<Result<std::vector<std::string>>> copied;

  void ask_for_copy() {
    copy = std::make_unique<HeardSession>(loop, [this](embed::SessionListener& listener) {
      return workers.open_copy(
          session.session(), {"copy", {}}, listener,
          [this](Result<std::vector<std::string>> left) { copied.emplace(std::move(left)); });
    });
  }
  Result<embed::CellNumber> undo(std::size_t steps) {
    copied.reset();
    auto undone = session.worker().undo(
        steps, [this](Result<std::vector<std::string>> left) { copied.emplace(std::move(left)); });
    if (undone) REQUIRE(loop.until([&] { return copied.has_value(); }));
    return undone;
  }
  std::string result(HeardSession& of, const std::string& code) {
    HeardSession::Ended* end = of.run(code);
    REQUIRE(end != nullptr);
    INFO((end->outcome.error ? end->outcome.error->traceback : ""));
    CHECK(end->outcome.status == Status::Completed);
    return end->outcome.result.value_or("None");
  }
  std::string lost_by(const std::string& code) {
    HeardSession::Ended* end = session.run(code);
    REQUIRE(end != nullptr);
    CHECK(end->outcome.status == Status::Lost);
    REQUIRE(loop.until([&] { return !session.lost.empty(); }));
    return session.lost.front();
  }
};

}  // namespace

TEST_CASE("Worker copies: a copy has the state of its turn, and both go on apart") {
  Pair each;
  each.session.submit("x = [1]");
  each.ask_for_copy();
  each.session.submit("x.append(2); x");
  each.copy->submit("x.append(3); x");
  REQUIRE(each.copy->next() != nullptr);
  REQUIRE(each.loop.until([&] { return each.session.ended.size() == 2; }));
  CHECK(each.copy->ended.front().outcome.result == "[1, 3]");
  CHECK(each.session.ended.back().outcome.result == "[1, 2]");
  REQUIRE(each.copied.has_value());
  CHECK(*each.copied);
  // Told by the zygote, whose word comes another way than the copy's own.
  REQUIRE(each.loop.until([&] { return each.copy->worker().process_id() > 0; }));
  CHECK(each.copy->worker().process_id() != each.session.worker().process_id());
}

TEST_CASE("Worker copies: what a copy prints is its own") {
  Pair each;
  each.result(each.session, "1");
  each.ask_for_copy();
  each.result(*each.copy, "print('of the copy')");
  each.result(each.session, "print('of the session')");
  REQUIRE(
      each.loop.until([&] { return !each.copy->output.empty() && !each.session.output.empty(); }));
  CHECK(each.copy->output == "of the copy\n");
  CHECK(each.session.output == "of the session\n");
}

TEST_CASE("Worker copies: what is not carried is told") {
  Pair each;
  each.result(
      each.session,
      "import threading, time\n"
      "threading.Thread(target=time.sleep, args=(60,), name='sleeper', daemon=True).start()");
  each.ask_for_copy();
  REQUIRE(each.loop.until([&] { return each.copied.has_value(); }));
  REQUIRE(*each.copied);
  REQUIRE(!each.copied->value().empty());
  CHECK(each.copied->value().front() == "thread 'sleeper'");
}

TEST_CASE(
    "Worker copies: a copy goes on when its original ends, and is told alone when it is killed") {
  Pair each;
  each.result(each.session, "x = 1");
  each.ask_for_copy();
  CHECK(each.result(*each.copy, "x") == "1");
  each.lost_by("import os; os._exit(3)");
  CHECK(each.result(*each.copy, "x") == "1");
  HeardSession::Ended* end = each.copy->run("import os; os.kill(os.getpid(), 9)");
  REQUIRE(end != nullptr);
  CHECK(end->outcome.status == Status::Lost);
  CHECK(says(end->outcome.error->message, "killed"));
}

TEST_CASE("Worker copies: a copy is stopped and reset like any session") {
  Pair each;
  each.result(each.session, "x = 1");
  each.ask_for_copy();
  each.result(*each.copy, "x = 2");
  HeardSession::Ended* end = each.copy->run("while True: pass", 100ms);
  REQUIRE(end != nullptr);
  CHECK(end->outcome.status == Status::TimedOut);
  each.copy->session().reset(7);
  REQUIRE(each.loop.until([&] { return !each.copy->resets.empty(); }));
  CHECK(each.result(*each.copy, "'x' in globals()") == "False");
  CHECK(each.result(each.session, "x") == "1");
}

TEST_CASE("Worker copies: a copy of a session that ends before its turn is lost, and says why") {
  Pair each;
  each.session.submit("import time; time.sleep(0.2); import os; os._exit(0)");
  each.ask_for_copy();
  each.copy->submit("1");
  REQUIRE(each.loop.until([&] { return !each.copy->lost.empty(); }));
  REQUIRE(each.copied.has_value());
  CHECK(!*each.copied);
  CHECK(says(each.copy->lost.front(), "could not be copied"));
}

TEST_CASE("Worker copies: copies that are dropped at any moment leave nothing") {
  Pair each;
  each.result(each.session, "x = 1");
  for (int i = 0; i < 20; ++i) {
    each.ask_for_copy();
    const int turns = i % 5;
    for (int turn = 0; turn < turns; ++turn) {
      int passed = 0;
      each.loop.poster.post([&] { ++passed; });
      REQUIRE(each.loop.until([&] { return passed > 0; }));
    }
    each.copy.reset();
  }
  CHECK(each.result(each.session, "x") == "1");
  CHECK(
      each.result(
          each.session,
          "import os, time\nzygote = os.getppid()\n"
          "def count(): return len(open(f'/proc/{zygote}/task/{zygote}/children').read().split())\n"
          "end = time.monotonic() + 20\n"
          "while count() > 2 and time.monotonic() < end: time.sleep(0.01)\n"
          "count() <= 2") == "True");
}

TEST_CASE("Worker copies: a session goes back by cells, and numbers go on") {
  Pair each;
  each.session.worker().keep_copies(3);
  for (const char* code : {"x = [1]", "x.append(2)", "x.append(3)", "x.append(4)"}) {
    each.result(each.session, code);
  }
  CHECK(each.session.worker().copies_kept() == 3);
  const Result<embed::CellNumber> undone = each.undo(2);
  REQUIRE(undone);
  CHECK(undone.value() == 3);
  CHECK(each.session.worker().copies_kept() == 1);
  CHECK(each.result(each.session, "x") == "[1, 2]");
  CHECK(each.session.ended.back().number == 5);
  const Result<embed::CellNumber> further = each.undo(3);
  REQUIRE(!further);
  CHECK(says(further.error().message, "2 cells only"));
  CHECK(each.result(each.session, "x") == "[1, 2]");
}

TEST_CASE("Worker copies: what a cell prints after an undo arrives") {
  Pair each;
  each.session.worker().keep_copies(1);
  each.result(each.session, "print('a')");
  each.result(each.session, "print('b')");
  REQUIRE(each.loop.until([&] { return each.session.output == "a\nb\n"; }));
  REQUIRE(each.undo(1));
  each.result(each.session, "print('c')");
  REQUIRE(each.loop.until([&] { return each.session.output == "a\nb\nc\n"; }));
}

TEST_CASE("Worker copies: nothing is undone while a cell runs") {
  Pair each;
  each.session.worker().keep_copies(1);
  each.result(each.session, "x = 1");
  each.session.submit("import time; time.sleep(0.3); x = 2");
  REQUIRE(each.loop.until([&] { return each.session.session().running().has_value(); }));
  CHECK(!each.undo(1));
  REQUIRE(each.session.next() != nullptr);
  CHECK(each.result(each.session, "x") == "2");
}

TEST_CASE("Worker copies: a state of before comes back when the session was lost") {
  Pair each;
  each.session.worker().keep_copies(2);
  each.result(each.session, "x = 1");
  each.lost_by("x = 2\nimport os; os.kill(os.getpid(), 11)");
  CHECK(each.session.worker().copies_kept() == 2);
  REQUIRE(each.undo(1));
  CHECK(each.result(each.session, "x") == "1");
}

TEST_CASE("Worker copies: copies that were kept end with the session, and with a reset") {
  Pair each;
  each.session.worker().keep_copies(4);
  for (int i = 0; i < 3; ++i) each.result(each.session, "x = 1");
  each.session.session().reset(1);
  REQUIRE(each.loop.until([&] { return !each.session.resets.empty(); }));
  CHECK(each.session.worker().copies_kept() == 0);
  CHECK(!each.undo(1));
  CHECK(each.result(each.session, "'x' in globals()") == "False");
  CHECK(each.session.worker().copies_kept() == 1);
}

TEST_CASE("Worker copies: a copy that was killed is no state to go back to") {
  Pair each;
  each.session.worker().keep_copies(2);
  const std::string parents = each.result(each.session, "import os; os.getppid()");
  each.result(each.session, "x = 1");
  each.result(each.session,
              "import signal\nfor pid in "
              "open(f'/proc/{os.getppid()}/task/{os.getppid()}/children').read().split():\n"
              "    if int(pid) != os.getpid(): os.kill(int(pid), signal.SIGKILL)");
  REQUIRE(each.loop.until([&] { return each.session.worker().copies_kept() == 0; }));
  const Result<embed::CellNumber> undone = each.undo(1);
  REQUIRE(!undone);
  CHECK(says(undone.error().message, "was not kept"));
  CHECK(each.result(each.session, "x") == "1");
}

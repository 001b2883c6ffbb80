#include "support/catch.h"

#include <map>
#include <optional>

#include "fake_rooms.h"
#include "fake_runtime.h"
#include "host/session/session_registry.h"
#include "loop_fixture.h"

using namespace pyember;
using namespace pyember::host;
using namespace std::chrono_literals;

namespace {

struct Ended {
  embed::CellOutcome outcome;
  std::string stdout_text;
  std::string stderr_text;
};

class Recorder final : public CellObserver {
 public:
  explicit Recorder(std::map<embed::CellNumber, Ended>& ended) : ended_(ended) {}
  void cell_ended(CellEnd end) override {
    Ended& record = ended_[end.number];
    record.outcome = end.outcome;
    if (end.output == nullptr) return;
    record.stdout_text = end.output->of(Stream::Stdout).read(0, 1 << 20);
    record.stderr_text = end.output->of(Stream::Stderr).read(0, 1 << 20);
  }

 private:
  std::map<embed::CellNumber, Ended>& ended_;
};

struct Sessions : LoopFixture {
  FakeRuntime runtime;
  FakeRooms rooms{runtime};
  SessionRegistry registry;
  std::map<embed::CellNumber, Ended> ended;

  explicit Sessions(SessionSettings settings = {})
      : registry(rooms, loop, poster, std::move(settings)) {}

  embed::CellNumber run(const std::string& code, const std::string& session = "main",
                        std::chrono::milliseconds timeout = 60s) {
    return registry.run(session, {code, timeout, false}, std::make_unique<Recorder>(ended)).value();
  }
  bool wait_for(embed::CellNumber cell) {
    return until([&] { return ended.count(cell) > 0; });
  }
};

}  // namespace

TEST_CASE("Registry: cells of a session are numbered and answered in order, each with its output") {
  Sessions sessions;
  for (int i = 1; i <= 200; ++i) {
    sessions.run(i % 2 ? "print out " + std::to_string(i) + "\nerror err" : "result r");
  }
  REQUIRE(sessions.wait_for(200));
  for (embed::CellNumber cell = 1; cell <= 200; ++cell) {
    INFO(cell);
    const Ended& each = sessions.ended.at(cell);
    if (cell % 2) {
      CHECK(each.stdout_text == "out " + std::to_string(cell) + "\n");
      CHECK(each.stderr_text == "err\n");
    } else {
      CHECK(each.stdout_text.empty());
      CHECK(each.outcome.result == "r");
    }
  }
}

TEST_CASE("Registry: output far larger than a pipe is held whole") {
  Sessions sessions;
  const auto cell = sessions.run("flood 3000000\nprint end");
  REQUIRE(sessions.wait_for(cell));
  const OutputBuffer& output =
      sessions.registry.find("main")->outputs().find(cell)->of(Stream::Stdout);
  CHECK(output.size() == 3'000'004);
  CHECK(output.read(2'999'998, 100) == "xxend\n");
}

TEST_CASE("Registry: what a session prints after a cell had ended comes marked with the next") {
  Sessions sessions;
  sessions.run("print one\nlater 20 after");
  REQUIRE(sessions.wait_for(1));
  REQUIRE(sessions.until([&] { return sessions.registry.find("main")->outputs().find(2); }));
  sessions.run("print two");
  REQUIRE(sessions.wait_for(2));
  CHECK(sessions.ended.at(2).stdout_text ==
        "[printed after cell 1 had ended]\nafter\n[cell 2]\ntwo\n");
  REQUIRE_FALSE(sessions.ended.at(2).outcome.notices.empty());
  CHECK(sessions.ended.at(1).stdout_text == "one\n");
}

TEST_CASE("Registry: cancelling a waiting cell takes it out and leaves the others") {
  Sessions sessions;
  sessions.run("sleep 100");
  const auto waiting = sessions.run("print never");
  const auto last = sessions.run("print last");
  sessions.registry.cancel("main", waiting);
  CHECK(sessions.ended.at(waiting).outcome.status == embed::Status::Interrupted);
  REQUIRE(sessions.wait_for(last));
  CHECK(sessions.ended.at(last).stdout_text == "last\n");
  CHECK(sessions.ended.at(1).outcome.status == embed::Status::Completed);
}

TEST_CASE("Registry: cancelling the running cell interrupts it") {
  Sessions sessions;
  const auto cell = sessions.run("print begun\nsleep 60000");
  REQUIRE(sessions.until([&] { return sessions.registry.find("main")->outputs().find(cell); }));
  sessions.registry.cancel("main", cell);
  REQUIRE(sessions.wait_for(cell));
  CHECK(sessions.ended.at(cell).outcome.status == embed::Status::Interrupted);
  CHECK(sessions.ended.at(cell).stdout_text == "begun\n");
}

TEST_CASE("Registry: a lost session answers its waiting cells and is replaced, with a notice") {
  Sessions sessions;
  sessions.run("print gone\nlose it crashed");
  sessions.run("print waited");
  REQUIRE(sessions.wait_for(2));
  CHECK(sessions.ended.at(1).outcome.status == embed::Status::Lost);
  CHECK(sessions.ended.at(1).stdout_text == "gone\n");
  CHECK(sessions.ended.at(2).outcome.status == embed::Status::Lost);
  CHECK(sessions.ended.at(2).outcome.error->message.find("was not run") != std::string::npos);
  const auto next = sessions.run("print again");
  REQUIRE(sessions.wait_for(next));
  CHECK(next == 3);
  CHECK(sessions.ended.at(next).stdout_text == "again\n");
  REQUIRE(sessions.ended.at(next).outcome.notices.size() == 1);
  CHECK(sessions.ended.at(next).outcome.notices[0].find("it crashed") != std::string::npos);
  CHECK(sessions.runtime.sessions_opened == 2);
}

TEST_CASE("Registry: reset stops what runs, withdraws what waits, and says when it is done") {
  Sessions sessions;
  sessions.run("sleep 60000");
  sessions.run("print never");
  sessions.turn_for(20ms);
  bool done = false;
  sessions.registry.find("main")->reset([&](const std::string&) { done = true; });
  REQUIRE(sessions.until([&] { return done && sessions.ended.size() == 2; }));
  CHECK(sessions.ended.at(1).outcome.status == embed::Status::Interrupted);
  CHECK(sessions.ended.at(2).outcome.status == embed::Status::Interrupted);
  CHECK_FALSE(sessions.registry.find("main")->busy());
}

TEST_CASE("Registry: closing answers running and waiting cells and the name becomes free") {
  Sessions sessions;
  sessions.run("print begun\nsleep 60000");
  sessions.run("print never");
  REQUIRE(sessions.until([&] { return sessions.registry.find("main")->outputs().find(1); }));
  CHECK(sessions.registry.close("main").ok());
  CHECK(sessions.ended.at(1).outcome.status == embed::Status::Interrupted);
  CHECK(sessions.ended.at(1).stdout_text == "begun\n");
  CHECK(sessions.ended.at(2).outcome.status == embed::Status::Interrupted);
  CHECK(sessions.registry.find("main") == nullptr);
  CHECK(sessions.registry.no_session("main").message.find("close_session") != std::string::npos);
  CHECK_FALSE(sessions.registry.close("main").ok());
  const auto next = sessions.run("print new");
  REQUIRE(sessions.wait_for(next));
  CHECK(next == 3);
  CHECK(sessions.ended.at(next).outcome.notices.empty());
}

TEST_CASE("Registry: an idle session is closed and the next call to it says so") {
  SessionSettings settings;
  settings.idle_timeout = 50ms;
  Sessions sessions(settings);
  REQUIRE(sessions.wait_for(sessions.run("print x")));
  sessions.registry.tick(now_ns());
  CHECK(sessions.registry.find("main") != nullptr);
  sessions.registry.tick(now_ns() + 60'000'000);
  CHECK(sessions.registry.find("main") == nullptr);
  const auto next = sessions.run("print y");
  REQUIRE(sessions.wait_for(next));
  REQUIRE(sessions.ended.at(next).outcome.notices.size() == 1);
  CHECK(sessions.ended.at(next).outcome.notices[0].find("without a call") != std::string::npos);
}

TEST_CASE("Registry: a session whose cell ended after the tick's time is not idle") {
  SessionSettings settings;
  settings.idle_timeout = 24h;
  Sessions sessions(settings);
  const std::uint64_t before = now_ns();
  REQUIRE(sessions.wait_for(sessions.run("print x")));
  sessions.registry.tick(before);
  CHECK(sessions.registry.find("main") != nullptr);
}

TEST_CASE("Registry: a busy session is not closed as idle") {
  SessionSettings settings;
  settings.idle_timeout = 1ms;
  Sessions sessions(settings);
  sessions.run("sleep 200");
  sessions.turn_for(20ms);
  sessions.registry.tick(now_ns());
  CHECK(sessions.registry.find("main") != nullptr);
  REQUIRE(sessions.wait_for(1));
}

TEST_CASE("Registry: sessions of other registries count where all together are bounded") {
  SessionSettings settings;
  std::size_t others = 2;
  settings.others_open = [&others] { return others; };
  settings.all_sessions = 3;
  Sessions sessions(settings);
  sessions.run("print x", "a");
  const auto second = sessions.registry.run("b", {"print x", 1s, false}, nullptr);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == ErrorCode::LimitReached);
  others = 1;
  CHECK(sessions.registry.run("b", {"print x", 1s, false}, nullptr).ok());
}

TEST_CASE("Registry: sessions and queues are bounded, with errors that say what to do") {
  SessionSettings settings;
  settings.maximum_sessions = 2;
  settings.maximum_queued_cells = 3;
  Sessions sessions(settings);
  sessions.run("sleep 60000", "a");
  sessions.run("print x", "b");
  const auto third = sessions.registry.run("c", {"print x", 1s, false}, nullptr);
  REQUIRE_FALSE(third.ok());
  CHECK(third.error().code == ErrorCode::LimitReached);
  CHECK(third.error().message.find("close_session") != std::string::npos);
  sessions.run("print x", "a");
  sessions.run("print x", "a");
  const auto fourth = sessions.registry.run("a", {"print x", 1s, false}, nullptr);
  REQUIRE_FALSE(fourth.ok());
  CHECK(fourth.error().message.find("interrupt_session") != std::string::npos);
}

TEST_CASE("Registry: names that could not stand in a URI or a log line are refused") {
  Sessions sessions;
  for (const std::string name : {"", "a b", "a/b", "n\nl", "\xC3\xA9", "%41"}) {
    CHECK_FALSE(sessions.registry.run(name, {"print x", 1s, false}, nullptr).ok());
  }
  CHECK_FALSE(check_session_name(std::string(65, 'a')).ok());
  CHECK(check_session_name(std::string(64, 'a')).ok());
  CHECK(check_session_name("A.b-c_9").ok());
}

TEST_CASE("Registry: stopping the largest session answers its cell as lost, with the reason") {
  Sessions sessions;
  sessions.run("print idle", "a");
  REQUIRE(sessions.wait_for(1));
  sessions.ended.clear();
  sessions.run("sleep 60000", "b");
  CHECK(sessions.registry.stop_largest("memory ran out") == "b");
  CHECK(sessions.ended.at(1).outcome.status == embed::Status::Lost);
  CHECK(sessions.ended.at(1).outcome.error->message.find("memory ran out") != std::string::npos);
  CHECK(sessions.registry.find("a") != nullptr);
}

TEST_CASE("Registry: a session nobody asks is inspected without running anything") {
  Sessions sessions;
  REQUIRE(sessions.wait_for(sessions.run("print x")));
  std::optional<std::vector<embed::NameInfo>> names;
  bool answered = false;
  sessions.registry.find("main")->inspect([&](auto given) {
    names = std::move(given);
    answered = true;
  });
  REQUIRE(sessions.until([&] { return answered; }));
  REQUIRE(names);
  CHECK(names->front().name == "x");
}

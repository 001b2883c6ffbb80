#include "support/catch.h"

#include <map>

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
  Isolation isolation{};
};

class Recorder final : public CellObserver {
 public:
  explicit Recorder(std::vector<std::pair<embed::CellNumber, Ended>>& ended) : ended_(ended) {}
  void cell_ended(CellEnd end) override {
    ended_.emplace_back(end.number, Ended{end.outcome, end.isolation});
  }

 private:
  std::vector<std::pair<embed::CellNumber, Ended>>& ended_;
};

struct Sessions : LoopFixture {
  FakeRuntime runtime;
  FakeRooms rooms{runtime};
  SessionRegistry registry;
  std::vector<std::pair<embed::CellNumber, Ended>> ended;  // in the order of their ends

  explicit Sessions(Isolation isolation = Isolation::Auto)
      : registry(rooms, loop, poster, settings(isolation)) {}

  static SessionSettings settings(Isolation isolation) {
    SessionSettings settings;
    settings.isolation = isolation;
    return settings;
  }
  Result<embed::CellNumber> ask(const std::string& code, const SessionWish& wish) {
    CellSpec spec{code, 60s, false, std::make_unique<SessionWish>(wish)};
    return registry.run("main", std::move(spec), std::make_unique<Recorder>(ended));
  }
  void run(const std::string& code) {
    REQUIRE(registry.run("main", {code, 60s, false}, std::make_unique<Recorder>(ended)));
  }
  bool all_ended(std::size_t count) {
    return until([&] { return ended.size() >= count; });
  }
  const Ended& last() const { return ended.back().second; }
  bool noticed(const std::string& text) const {
    for (const auto& [number, each] : ended) {
      for (const std::string& notice : each.outcome.notices) {
        if (notice.find(text) != std::string::npos) return true;
      }
    }
    return false;
  }
};

SessionWish packages(std::vector<std::string> names) {
  SessionWish wish;
  wish.dependencies = std::move(names);
  return wish;
}

}  // namespace

TEST_CASE("Moves: a cell that needs a worker runs once, there, with the state and in its order") {
  Sessions sessions;
  sessions.run("set five");
  sessions.run("worker it imports numpy\nstate");
  sessions.run("state");  // queued behind it: must not run in the old session
  sessions.run("result last");
  REQUIRE(sessions.all_ended(4));
  for (std::size_t i = 0; i < 4; ++i) CHECK(sessions.ended[i].first == i + 1);
  CHECK(sessions.ended[0].second.isolation == Isolation::InProcess);
  CHECK(sessions.ended[1].second.outcome.result == "five");
  CHECK(sessions.ended[1].second.isolation == Isolation::Process);
  CHECK(sessions.ended[2].second.outcome.result == "five");
  CHECK(sessions.noticed("it imports numpy"));
  REQUIRE(sessions.rooms.workers.size() == 1);
  CHECK(sessions.rooms.workers[0].first.python == "/own/python");
}

TEST_CASE("Moves: a session whose first cell needs a worker begins there") {
  Sessions sessions;
  sessions.run("worker it imports numpy\nset six");
  sessions.run("state");  // queued behind it
  REQUIRE(sessions.all_ended(2));
  CHECK(sessions.ended[0].second.isolation == Isolation::Process);
  CHECK(sessions.ended[1].second.outcome.result == "six");
  CHECK(sessions.noticed("it imports numpy"));
  REQUIRE(sessions.rooms.workers.size() == 1);
  CHECK(sessions.rooms.workers[0].first.python == "/own/python");
}

TEST_CASE("Moves: packages are waited for, and cells behind them wait as well") {
  Sessions sessions;
  sessions.run("set kept");
  REQUIRE(sessions.ask("state", packages({"pandas>=2"})));
  sessions.run("result behind");
  REQUIRE(sessions.all_ended(1));
  REQUIRE(sessions.rooms.preparing.size() == 1);
  CHECK(sessions.rooms.preparing.begin()->second.first.dependencies ==
        std::vector<std::string>{"pandas>=2"});
  sessions.rooms.prepared(WorkerPlace{"/env/python", {"/env/site"}, "/env"});
  REQUIRE(sessions.all_ended(3));
  CHECK(sessions.ended[1].second.outcome.result == "kept");
  CHECK(sessions.ended[2].second.outcome.result == "behind");
  CHECK(sessions.rooms.workers.at(0).first.python == "/env/python");

  // More packages for the worker: an environment of all of them, added to the running session.
  REQUIRE(sessions.ask("state", packages({"rich"})));
  REQUIRE(sessions.rooms.preparing.size() == 1);
  CHECK(sessions.rooms.preparing.begin()->second.first.dependencies ==
        std::vector<std::string>{"pandas>=2", "rich"});
  sessions.rooms.prepared(WorkerPlace{"/env2/python", {"/env2/site"}, "/env2"});
  REQUIRE(sessions.all_ended(4));
  CHECK(sessions.last().outcome.result == "kept");
  CHECK(sessions.rooms.workers.size() == 1);
  CHECK(sessions.rooms.changed == std::vector<std::vector<std::string>>{{"/env2/site"}});

  // What is there needs nothing.
  REQUIRE(sessions.ask("state", packages({"rich"})));
  REQUIRE(sessions.all_ended(5));
  CHECK(sessions.rooms.preparing.empty());
}

TEST_CASE("Moves: packages that can't be installed are that cell's error; the session stays") {
  Sessions sessions;
  sessions.run("set kept");
  REQUIRE(sessions.ask("result not run", packages({"nonsense"})));
  sessions.run("state");
  REQUIRE(sessions.all_ended(1));
  sessions.rooms.prepared(Error{ErrorCode::Unavailable, "no such package"});
  REQUIRE(sessions.all_ended(3));
  CHECK(sessions.ended[1].second.outcome.status == embed::Status::Raised);
  CHECK(sessions.ended[1].second.outcome.error->message == "no such package");
  CHECK(sessions.ended[2].second.outcome.result == "kept");
  CHECK(sessions.ended[2].second.isolation == Isolation::InProcess);
}

TEST_CASE("Moves: a cell withdrawn while its packages are made is answered, those behind it run") {
  Sessions sessions;
  const auto number = sessions.ask("result no", packages({"slow"}));
  REQUIRE(number);
  sessions.run("result behind");
  SECTION("interrupted") { CHECK(sessions.registry.find("main")->interrupt() == number.value()); }
  SECTION("cancelled") { sessions.registry.cancel("main", number.value()); }
  REQUIRE(sessions.all_ended(2));
  CHECK(sessions.ended[0].second.outcome.status == embed::Status::Interrupted);
  CHECK(sessions.ended[1].second.outcome.result == "behind");
  CHECK(sessions.rooms.preparing.empty());
}

TEST_CASE("Moves: closing and resetting a session that waits or moves answers every cell") {
  Sessions sessions;
  sessions.run("set kept");
  REQUIRE(sessions.all_ended(1));
  REQUIRE(sessions.ask("state", packages({"slow"})));
  sessions.run("state");
  SECTION("closed") {
    REQUIRE(sessions.registry.close("main"));
    CHECK(sessions.rooms.preparing.empty());
  }
  SECTION("reset") {
    bool reset = false;
    sessions.registry.find("main")->reset([&](const std::string&) { reset = true; });
    REQUIRE(sessions.until([&] { return reset; }));
    sessions.run("state");
    REQUIRE(sessions.all_ended(4));
  }
  REQUIRE(sessions.all_ended(3));
  CHECK(sessions.ended[1].second.outcome.status == embed::Status::Interrupted);
  CHECK(sessions.ended[2].second.outcome.status == embed::Status::Interrupted);
}

TEST_CASE("Moves: what a session can't become is refused, and nothing of it changes") {
  Sessions sessions;
  sessions.run("set kept");
  REQUIRE(sessions.all_ended(1));
  SessionWish wish;
  SECTION("another isolation") { wish.isolation = Isolation::Process; }
  SECTION("confinement") { wish.confinement.no_network = true; }
  const auto refused = sessions.ask("state", wish);
  REQUIRE(!refused);
  CHECK(refused.error().message.find("close_session") != std::string::npos);
  sessions.run("state");
  REQUIRE(sessions.all_ended(2));
  CHECK(sessions.last().outcome.result == "kept");
}

TEST_CASE("Moves: limits take a session to a worker that has them; there they are fixed") {
  Sessions sessions;
  sessions.run("set kept");
  SessionWish wish;
  wish.limits.memory_bytes = 1'000'000'000;
  REQUIRE(sessions.ask("state", wish));
  REQUIRE(sessions.all_ended(2));
  CHECK(sessions.last().outcome.result == "kept");
  REQUIRE(sessions.rooms.workers.size() == 1);
  CHECK(sessions.rooms.workers[0].second == WorkerLimits{});
  REQUIRE(sessions.ask("state", wish));  // for that call
  SessionWish cpu;
  cpu.limits.cpu_seconds = 5;
  REQUIRE(sessions.ask("state", cpu));
  REQUIRE(sessions.all_ended(3));
}

TEST_CASE("Moves: an in-process session never looks ahead and refuses what needs a process") {
  Sessions sessions(Isolation::InProcess);
  sessions.run("worker ignored\nresult here");
  REQUIRE(sessions.all_ended(1));
  CHECK(sessions.last().outcome.result == "here");
  REQUIRE(!sessions.ask("state", packages({"pandas"})));
  CHECK(sessions.rooms.workers.empty());
}

TEST_CASE("Moves: a process session is a worker from its first cell") {
  Sessions sessions(Isolation::Process);
  sessions.run("result there");
  REQUIRE(sessions.all_ended(1));
  CHECK(sessions.last().isolation == Isolation::Process);
  CHECK(sessions.rooms.workers.at(0).first.python == "/own/python");
}

TEST_CASE("Moves: a version that is asked for takes the place of the one before") {
  Sessions sessions(Isolation::Process);
  const auto asked = [&](std::vector<std::string> names, bool upgrade = false) {
    SessionWish wish = packages(std::move(names));
    wish.upgrade = upgrade;
    REQUIRE(sessions.ask("state", wish));
    if (sessions.rooms.preparing.empty()) return std::vector<std::string>{"nothing"};
    const auto wanted = sessions.rooms.preparing.begin()->second.first.dependencies;
    sessions.rooms.prepared(WorkerPlace{"/env/python", {"/env/site"}, "/env"});
    return wanted;
  };
  using Names = std::vector<std::string>;
  CHECK(asked({"Some_Package==1", "other"}) == Names{"Some_Package==1", "other"});
  CHECK(asked({"some-package"}) == Names{"nothing"});
  CHECK(asked({"some.package[extra]>=2"}) == Names{"other", "some.package[extra]>=2"});
  CHECK(asked({"other"}, true) == Names{"other", "some.package[extra]>=2"});
  CHECK(asked({"some-package"}, true) == Names{"other", "some-package"});
  CHECK(asked({"a>=1", "a<2"}) == Names{"other", "some-package", "a>=1", "a<2"});
}

TEST_CASE("Moves: a first call whose packages can't be had leaves nothing of them behind") {
  Sessions sessions;
  REQUIRE(sessions.ask("result no", packages({"nonsense"})));
  REQUIRE(sessions.ask("state", packages({"rich"})));
  CHECK(sessions.rooms.preparing.size() == 2);
  sessions.rooms.prepared(Error{ErrorCode::Unavailable, "no such package"});
  REQUIRE(sessions.rooms.preparing.size() == 1);
  CHECK(sessions.rooms.preparing.begin()->second.first.dependencies ==
        std::vector<std::string>{"rich"});
  sessions.rooms.packages = {"markdown==3.0", "rich==14.0"};
  sessions.rooms.prepared(WorkerPlace{"/env/python", {"/env/site"}, "/env"});
  REQUIRE(sessions.all_ended(2));
  CHECK(sessions.last().outcome.status == embed::Status::Completed);
  CHECK(sessions.noticed("Installed: rich 14.0, and 1 more in the session."));
}

TEST_CASE("Moves: where a session runs is free until it has run anywhere") {
  Sessions sessions;
  SessionWish wish = packages({"nonsense"});
  wish.isolation = Isolation::Process;
  REQUIRE(sessions.ask("result no", wish));
  sessions.rooms.prepared(Error{ErrorCode::Unavailable, "no such package"});
  REQUIRE(sessions.all_ended(1));
  SessionWish other;
  other.isolation = Isolation::InProcess;
  REQUIRE(sessions.ask("result yes", other));
  REQUIRE(sessions.all_ended(2));
  CHECK(sessions.last().isolation == Isolation::InProcess);
}

TEST_CASE("Moves: limits of the first call are the session's, those of later ones their call's") {
  Sessions sessions;
  SessionWish wish;
  wish.limits.memory_bytes = 1'000'000'000;
  REQUIRE(sessions.ask("set kept", wish));
  REQUIRE(sessions.all_ended(1));
  REQUIRE(sessions.rooms.workers.size() == 1);
  CHECK(sessions.rooms.workers[0].second.memory_bytes == 1'000'000'000u);
  wish.limits.memory_bytes = 5;
  REQUIRE(sessions.ask("state", wish));
  REQUIRE(sessions.all_ended(2));
  CHECK(sessions.last().outcome.result == "kept");
  CHECK(sessions.registry.find("main")->plan().limits.memory_bytes == 1'000'000'000u);
}

TEST_CASE("Moves: packages that fail before those they build on are tried again without them") {
  Sessions sessions;
  sessions.run("set kept");
  REQUIRE(sessions.ask("result no", packages({"nonsense"})));
  REQUIRE(sessions.ask("state", packages({"rich"})));
  const auto later = std::next(sessions.rooms.preparing.begin());
  const auto done = std::move(later->second.second);
  sessions.rooms.preparing.erase(later);
  done(Error{ErrorCode::Unavailable, "nonsense and rich can't be had"});
  REQUIRE(sessions.all_ended(1));
  sessions.rooms.prepared(Error{ErrorCode::Unavailable, "nonsense can't be had"});
  REQUIRE(sessions.rooms.preparing.size() == 1);
  CHECK(sessions.rooms.preparing.begin()->second.first.dependencies ==
        std::vector<std::string>{"rich"});
  sessions.rooms.prepared(WorkerPlace{"/env/python", {"/env/site"}, "/env"});
  REQUIRE(sessions.all_ended(3));
  CHECK(sessions.ended[1].second.outcome.error->message == "nonsense can't be had");
  CHECK(sessions.ended[2].second.outcome.result == "kept");
}

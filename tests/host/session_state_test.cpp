#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "fake_rooms.h"
#include "fake_runtime.h"
#include "host/session/session_registry.h"
#include "host/state/carried_state.h"
#include "host/state/state_file.h"
#include "loop_fixture.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;
using namespace std::chrono_literals;

namespace {

class Recorder final : public CellObserver {
 public:
  explicit Recorder(std::vector<std::string>& ended) : ended_(ended) {}
  void cell_ended(CellEnd end) override {
    ended_.push_back(std::to_string(end.number) + " " + end.outcome.result.value_or("-"));
  }

 private:
  std::vector<std::string>& ended_;
};

struct Sessions : LoopFixture {
  FakeRuntime runtime;
  FakeRooms rooms{runtime};
  SessionRegistry registry{rooms, loop, poster, settings()};
  SessionStateFile file;
  std::vector<std::string> ended;  // "3 result", in the order of their ends

  static SessionSettings settings() {
    SessionSettings settings;
    settings.isolation = Isolation::Auto;
    return settings;
  }
  void run(const std::string& name, const std::string& code) {
    REQUIRE(registry.run(name, {code, 60s, false}, std::make_unique<Recorder>(ended)));
  }
  bool all_ended(std::size_t count) {
    return until([&] { return ended.size() >= count; });
  }
  std::unique_ptr<CellObserver> recorder() { return std::make_unique<Recorder>(ended); }
};

embed::CellOutcome outcome_with(std::string result) {
  embed::CellOutcome outcome;
  outcome.result = std::move(result);
  return outcome;
}

}  // namespace

TEST_CASE("State: a session is saved behind its cells, and what comes later sees no difference") {
  Sessions sessions;
  sessions.run("main", "sleep 50\nset kept");
  const auto number =
      sessions.registry.find("main")->save({sessions.file.path(), 60s}, sessions.recorder());
  sessions.run("main", "set later");
  sessions.run("main", "state");
  CHECK(number == 2);
  REQUIRE(sessions.all_ended(4));
  CHECK(sessions.ended == std::vector<std::string>{"1 -", "2 -", "3 -", "4 later"});
  std::string saved;
  std::ifstream(sessions.file.path()) >> saved;
  CHECK(saved == "kept");
  CHECK(sessions.registry.find("main")->cells_completed() == 3);  // saving is no cell of its client
}

TEST_CASE("State: a save stands in its turn also behind a cell that takes the session elsewhere") {
  Sessions sessions;
  sessions.run("main", "set before");
  sessions.run("main", "worker it imports numpy\nset inside");
  sessions.registry.find("main")->save({sessions.file.path(), 60s}, sessions.recorder());
  REQUIRE(sessions.all_ended(3));
  std::string saved;
  std::ifstream(sessions.file.path()) >> saved;
  CHECK(saved == "inside");
}

TEST_CASE("State: a session begins with what a file holds, and its cells wait for that") {
  Sessions sessions;
  std::ofstream(sessions.file.path()) << "kept";
  const Result<HostSession*> session = sessions.registry.open("copy", {}, 8);
  REQUIRE(session);
  CHECK(session.value()->begin_with({}, sessions.file.path(), 60s, sessions.recorder()) == 7);
  sessions.run("copy", "state");
  REQUIRE(sessions.all_ended(2));
  CHECK(sessions.ended == std::vector<std::string>{"7 -", "8 kept"});
}

TEST_CASE("State: a session that begins with a file gets its packages first") {
  Sessions sessions;
  std::ofstream(sessions.file.path()) << "kept";
  SessionPlan plan;
  plan.room = Isolation::Process;
  plan.dependencies = {"pandas"};
  const Result<HostSession*> session = sessions.registry.open("copy", plan, 1);
  REQUIRE(session);
  CHECK(session.value()->begin_with(plan, sessions.file.path(), 60s, sessions.recorder()) == 1);
  sessions.run("copy", "state");
  REQUIRE(sessions.rooms.preparing.size() == 1);
  sessions.rooms.prepared(WorkerPlace{"/env/python", {"/env/site"}, "/env"});
  REQUIRE(sessions.all_ended(2));
  CHECK(sessions.ended == std::vector<std::string>{"1 -", "2 kept"});
  CHECK(sessions.rooms.workers.at(0).first.python == "/env/python");
}

TEST_CASE("State: the outcome of a snapshot names what is there and what is not") {
  const CarriedState state = carried_state(outcome_with(
      R"({"saved":2,"names":["a","b"],"left_behind":[["s","it is open"],["t","it is open"]],)"
      R"("left_behind_count":2,"running":"1 thread"})"));
  CHECK(state.done);
  CHECK(state.names == std::vector<std::string>{"a", "b"});
  CHECK(state.left_behind_count == 2);
  CHECK(in_words(state.left_behind) == "s, t (it is open)");
  CHECK(state.running == "1 thread");
}

TEST_CASE("State: an outcome of any other form is no more than that it was done") {
  for (const char* text : {"", "[]", "5", R"({"names":5,"left_behind":[1,[2],["a"]]})"}) {
    const CarriedState state = carried_state(outcome_with(text));
    CHECK(state.done);
    CHECK(state.left_behind.empty());
  }
  embed::CellOutcome failed;
  failed.status = embed::Status::Raised;
  failed.error = embed::CellError{"SnapshotError", "no room", ""};
  CHECK(carried_state(failed).problem == "no room");
}

TEST_CASE("State: what a file tells about its session is read again as it was written") {
  StateAbout about{"main", 7, 9, 1'700'000'000, {}};
  about.plan.asked = Isolation::Auto;
  about.plan.room = Isolation::Process;
  about.plan.dependencies = {"pandas>=2", "rich"};
  about.plan.python_version = "3.12";
  about.plan.limits.memory_bytes = 1'000'000'000;
  about.plan.limits.wall_time = 1500ms;
  about.plan.confinement.write_paths = std::vector<std::string>{"/tmp"};
  const Result<StateAbout> read = parse_about(to_text(about));
  REQUIRE(read);
  CHECK(read.value().session == "main");
  CHECK(read.value().cell == 7);
  CHECK(read.value().next_number == 9);
  CHECK(read.value().saved_at == 1'700'000'000);
  CHECK(same_session(read.value().plan, about.plan));
  CHECK(read.value().plan.asked == Isolation::Auto);
  CHECK(read.value().plan.confinement.write_paths == about.plan.confinement.write_paths);
  for (const char* text : {"", "5", "{}", R"({"plan":5})"}) CHECK_FALSE(parse_about(text));
}

TEST_CASE("State: a file that is no state is an error that says so") {
  Sessions sessions;
  const auto problem = [&] {
    return read_state_header(sessions.file.path(), StateDetail::About).error().message;
  };
  CHECK(problem().find("There is no saved state at") == 0);
  std::ofstream(sessions.file.path()) << "hello";
  CHECK(problem().find("does not begin as a saved state does") != std::string::npos);
  std::ofstream(sessions.file.path()) << "pyember" << std::string(200, '\0');
  CHECK(problem().find("its format is 0") != std::string::npos);
}

TEST_CASE("State: a save that waits for a move tells of the session as it will be") {
  Sessions sessions;
  sessions.run("main", "sleep 20");
  sessions.run("main", "worker it imports numpy\nset inside");
  sessions.registry.find("main")->save({sessions.file.path(), 60s, StateOrder::Use::Kept, "more"},
                                       sessions.recorder());
  REQUIRE(sessions.all_ended(3));
  // The fake writes its order behind its state.
  std::ifstream file(sessions.file.path());
  std::string state;
  std::string order;
  file >> state >> order;
  const std::size_t first = order.find('\0') + 1;
  const std::size_t second = order.find('\0', first);
  REQUIRE(second != std::string::npos);
  const Result<StateAbout> about = parse_about(order.substr(first, second - first));
  REQUIRE(about);
  CHECK(about.value().plan.room == Isolation::Process);
  CHECK(about.value().cell == 2);
  CHECK(about.value().next_number == 4);
  CHECK(order.substr(second + 1) == "more");
}

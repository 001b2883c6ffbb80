#include "host/upstream/upstreams.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "loop_fixture.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;
using mcp::Json;
using Kind = UpstreamFailure::Kind;
using Strings = std::vector<std::string>;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

UpstreamDefinition definition(std::string name, Strings options = {}) {
  UpstreamDefinition made;
  made.name = made.alias = std::move(name);
  made.command = PYEMBER_TEST_PYTHON;
  made.arguments = {"-S", PYEMBER_TEST_UPSTREAM};
  made.arguments.insert(made.arguments.end(), options.begin(), options.end());
  made.source = "servers.json";
  return made;
}

UpstreamSettings settings_for_tests() {
  UpstreamSettings settings;
  settings.transport.runner = PYEMBER_RUNNER;
  return settings;
}

bool lives(pid_t pid) { return kill(pid, 0) == 0; }

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// Upstreams, and a loop to turn.
struct World : LoopFixture {
  explicit World(std::vector<UpstreamDefinition> all,
                 UpstreamSettings settings = settings_for_tests())
      : upstreams(loop, UpstreamConfiguration{std::move(all), {}, {}}, std::move(settings)) {
    upstreams.on_tools(
        [this](const UpstreamDefinition& server, const Json& tools, double start_seconds) {
          listings[server.name].push_back(tools.size());
          CHECK(start_seconds > 0);
        });
  }

  struct Call {
    std::uint64_t id = 0;
    bool done = false;
    UpstreamAnswer answer;
    std::string text() const { return answer.result["content"][0]["text"].get<std::string>(); }
    Json json() const { return mcp::parse_json(text()).take(); }
    Kind kind() const {
      REQUIRE(answer.failure);
      return answer.failure->kind;
    }
    const std::string& message() const {
      REQUIRE(answer.failure);
      return answer.failure->message;
    }
  };

  std::shared_ptr<Call> begin(const std::string& server, const std::string& tool,
                              Json arguments = Json::object(), milliseconds timeout = seconds(60)) {
    auto call = std::make_shared<Call>();
    call->id = upstreams.call_tool(server, tool, std::move(arguments), timeout,
                                   [call](UpstreamAnswer answer) {
                                     call->answer = std::move(answer);
                                     call->done = true;
                                   });
    CHECK_FALSE(call->done);  // never out of the call that took it
    return call;
  }
  void wait(const std::shared_ptr<Call>& call) {
    REQUIRE(until([&] { return call->done; }, seconds(60)));
  }
  Call run(const std::string& server, const std::string& tool, Json arguments = Json::object(),
           milliseconds timeout = seconds(60)) {
    const auto call = begin(server, tool, std::move(arguments), timeout);
    wait(call);
    return *call;
  }
  pid_t pid(const std::string& server) { return run(server, "about").json()["pid"].get<pid_t>(); }
  Json about(std::size_t place = 0) { return upstreams.describe()[place]; }
  void end() {
    bool ended = false;
    upstreams.end(seconds(60), [&] { ended = true; });
    REQUIRE(until([&] { return ended; }, seconds(60)));
  }

  std::map<std::string, std::vector<std::size_t>> listings;
  Upstreams upstreams;
};

}  // namespace

TEST_CASE("Upstreams: a server is started by the first call, and shared by the next",
          "[upstream]") {
  const std::string era = GENERATE("modern", "handshake");
  World world({definition("one", {"--era", era}), definition("two")});
  CHECK(world.upstreams.running_names().empty());
  CHECK(world.run("one", "echo", {{"text", "hällo"}}).text() == "hällo");
  CHECK(world.run("one", "echo", {{"text", "again"}}).text() == "again");
  CHECK(world.upstreams.running_names() == Strings{"one"});
  CHECK(world.about()["starts"] == 1);
  CHECK(world.about()["protocolVersion"] == (era == "modern" ? "2026-07-28" : "2025-11-25"));
  REQUIRE(world.until([&] { return !world.listings["one"].empty(); }));
  CHECK(world.listings["two"].empty());
  world.end();
}

TEST_CASE("Upstreams: a server that does not know the modern era gets a handshake", "[upstream]") {
  const std::string refusal = GENERATE("-32601", "-32602", "0");
  World world({definition("old", {"--era", "handshake", "--refusal", refusal})});
  CHECK(world.run("old", "echo", {{"text", "x"}}).text() == "x");
}

TEST_CASE(
    "Upstreams: silence about the modern era leads to a handshake, remembered for the next start",
    "[upstream]") {
  UpstreamSettings settings = settings_for_tests();
  settings.probe_deadline = seconds(1);
  World world({definition("quiet", {"--era", "silent"})}, settings);
  const pid_t first = world.pid("quiet");
  CHECK(world.about()["startSeconds"].get<double>() > 0.9);
  kill(first, SIGKILL);
  REQUIRE(world.until([&] { return !lives(first); }));
  CHECK(world.pid("quiet") != first);
  CHECK(world.about()["protocolVersion"] == "2025-11-25");
}

TEST_CASE("Upstreams: calls run at the same time", "[upstream]") {
  World world({definition("one")});
  std::vector<std::shared_ptr<World::Call>> calls;
  for (int i = 0; i < 20; ++i) calls.push_back(world.begin("one", "sleep", {{"seconds", 0.5}}));
  for (const auto& call : calls) world.wait(call);
  CHECK(world.run("one", "about").json()["most"] == 20);
}

TEST_CASE(
    "Upstreams: one that dies at its start fails with its words, and is not started for each call",
    "[upstream]") {
  World world({definition("broken", {"--die"})});
  const World::Call first = world.run("broken", "echo");
  CHECK(first.kind() == Kind::Start);
  CHECK(has(first.message(), "there is no such database"));
  CHECK(has(first.message(), "exit code 1"));
  CHECK(has(first.message(), "servers.json"));
  for (int i = 0; i < 5; ++i) CHECK(world.run("broken", "echo").kind() == Kind::Start);
  CHECK(world.about()["starts"] == 1);
  CHECK(world.about()["state"] == "failed");
  world.turn_for(limits::kUpstreamFirstPause);
  CHECK(world.run("broken", "echo").kind() == Kind::Start);
  CHECK(world.about()["starts"] == 2);
}

TEST_CASE("Upstreams: what can't be executed is told", "[upstream]") {
  UpstreamDefinition none = definition("none");
  none.command = "no-such-program-anywhere";
  World world({none});
  const World::Call call = world.run("none", "echo");
  CHECK(call.kind() == Kind::Start);
  CHECK(has(call.message(), "no-such-program-anywhere can't be executed: No such file"));
}

TEST_CASE("Upstreams: one that hangs at its start is given up", "[upstream]") {
  UpstreamSettings settings = settings_for_tests();
  settings.probe_deadline = milliseconds(500);
  settings.start_deadline = seconds(2);
  World world({definition("stuck", {"--hang"}), definition("good")}, settings);
  const auto stuck = world.begin("stuck", "echo");
  CHECK(world.run("good", "echo", {{"text", "x"}}).text() == "x");
  world.wait(stuck);
  CHECK(stuck->kind() == Kind::Start);
  CHECK(has(stuck->message(), "did not answer within 2 s"));
  CHECK(has(stuck->message(), "thinking"));
}

TEST_CASE("Upstreams: lines that are no messages are passed over", "[upstream]") {
  World world({definition("one", {"--nonsense"})});
  CHECK(world.run("one", "junk").text() == "there was junk");
  CHECK(world.run("one", "echo", {{"text", "x"}}).text() == "x");
  CHECK(world.about()["starts"] == 1);
}

TEST_CASE(
    "Upstreams: killed in the middle of calls, 50 times: each call is answered, the next works",
    "[upstream][slow]") {
  World world({definition("one")});
  std::vector<pid_t> all;
  for (int i = 0; i < 50; ++i) {
    const pid_t pid = world.pid("one");
    const pid_t grandchild = world.run("one", "spawn").json()["pid"].get<pid_t>();
    all.insert(all.end(), {pid, grandchild});
    const auto first = world.begin("one", "sleep", {{"seconds", 100}});
    const auto second = world.begin("one", "sleep", {{"seconds", 100}});
    world.turn_for(milliseconds(i % 7));
    kill(pid, SIGKILL);
    world.wait(first);
    world.wait(second);
    REQUIRE(first->kind() == Kind::Lost);
    REQUIRE(second->kind() == Kind::Lost);
    CHECK(has(first->message(), "signal 9"));
    REQUIRE(world.run("one", "echo", {{"text", "x"}}).text() == "x");
  }
  world.end();
  for (const pid_t pid : all) CHECK_FALSE(lives(pid));
}

TEST_CASE(
    "Upstreams: one that dies in each of its calls is still started for the next, with pauses",
    "[upstream]") {
  World world({definition("one")});
  for (std::size_t i = 0; i < limits::kUpstreamFreeCrashes + 2; ++i) {
    const World::Call call = world.run("one", "die", {{"of", "boredom"}});
    CHECK(call.kind() == Kind::Lost);
    CHECK(has(call.message(), "I am dying of boredom"));
  }
  CHECK(world.about()["starts"] == limits::kUpstreamFreeCrashes + 2);
  CHECK(world.run("one", "echo", {{"text", "x"}}).text() == "x");
}

TEST_CASE("Upstreams: what may be asked twice is, when the server is lost", "[upstream]") {
  const auto left =
      std::filesystem::temp_directory_path() / ("lose_lists." + std::to_string(getpid()));
  std::ofstream(left) << "xx";
  World world({definition("one", {"--lose-lists", left.string()})});
  UpstreamAnswer tools;
  bool done = false;
  world.upstreams.list("one", "tools/list", seconds(60), [&](UpstreamAnswer answer) {
    tools = std::move(answer);
    done = true;
  });
  REQUIRE(world.until([&] { return done; }));
  CHECK(tools.ok());
  CHECK(world.about()["starts"] == 3);
  std::filesystem::remove(left);
}

TEST_CASE("Upstreams: a killed keeper takes its program with it", "[upstream]") {
  World world({definition("one")});
  const pid_t pid = world.pid("one");
  const auto call = world.begin("one", "sleep", {{"seconds", 100}});
  world.turn_for(milliseconds(50));
  kill(getpgid(pid), SIGKILL);  // the keeper leads the group
  world.wait(call);
  CHECK(call->kind() == Kind::Lost);
  CHECK(world.until([&] { return !lives(pid); }));
}

TEST_CASE("Upstreams: a call has its time, and the server is told when it is over", "[upstream]") {
  World world({definition("one")});
  world.pid("one");
  const World::Call late = world.run("one", "sleep", {{"seconds", 100}}, milliseconds(100));
  CHECK(late.kind() == Kind::Timeout);
  CHECK(has(late.message(), "tools/call 'sleep' within 0.1 s"));
  CHECK(world.run("one", "about").json()["cancelled"].size() == 1);
}

TEST_CASE("Upstreams: a call's time counts while the server starts", "[upstream]") {
  World world({definition("stuck", {"--hang"})});
  CHECK(world.run("stuck", "echo", Json::object(), milliseconds(300)).kind() == Kind::Timeout);
}

TEST_CASE("Upstreams: a cancelled call is answered so, and the server is told", "[upstream]") {
  World world({definition("one")});
  const auto before = world.begin("one", "sleep", {{"seconds", 100}});
  world.upstreams.cancel(before->id);
  CHECK_FALSE(before->done);
  world.wait(before);
  CHECK(before->kind() == Kind::Cancelled);
  world.pid("one");
  const auto call = world.begin("one", "sleep", {{"seconds", 100}});
  world.turn_for(milliseconds(20));
  world.upstreams.cancel(call->id);
  world.wait(call);
  CHECK(call->kind() == Kind::Cancelled);
  CHECK(world.run("one", "about").json()["cancelled"].size() == 1);
  world.upstreams.cancel(call->id);
  world.upstreams.cancel(12345);
}

TEST_CASE("Upstreams: progress comes as the server tells it", "[upstream]") {
  World world({definition("one")});
  std::vector<double> told;
  bool done = false;
  world.upstreams.call_tool(
      "one", "steps", {{"count", 3}}, seconds(60), [&](UpstreamAnswer) { done = true; },
      [&](double progress, std::optional<double> total, std::string_view) {
        told.push_back(progress / total.value());
      });
  REQUIRE(world.until([&] { return done; }));
  CHECK(told == std::vector<double>{1.0 / 3, 2.0 / 3, 1.0});
}

TEST_CASE("Upstreams: a JSON-RPC error keeps its code and data", "[upstream]") {
  World world({definition("one")});
  const World::Call call = world.run("one", "refuse");
  CHECK(call.kind() == Kind::Rpc);
  CHECK(call.answer.failure->rpc_code == -32602);
  CHECK(call.answer.failure->rpc_data["why"] == "so");
  CHECK(kind_word(call.kind()) == "upstream");
}

TEST_CASE("Upstreams: a change of the tools leads to another listing", "[upstream]") {
  const std::string era = GENERATE("modern", "handshake");
  World world({definition("one", {"--era", era})});
  world.run("one", "echo");
  REQUIRE(world.until([&] { return world.listings["one"].size() == 1; }));
  world.run("one", "change", {{"name", "new"}});
  REQUIRE(world.until([&] { return world.listings["one"].size() == 2; }));
  CHECK(world.listings["one"][1] == world.listings["one"][0] + 1);
}

TEST_CASE("Upstreams: a list is asked of the server now", "[upstream]") {
  World world({definition("one")});
  UpstreamAnswer tools;
  bool done = false;
  world.upstreams.list("one", "tools/list", seconds(60), [&](UpstreamAnswer answer) {
    tools = std::move(answer);
    done = true;
  });
  REQUIRE(world.until([&] { return done; }));
  REQUIRE(tools.ok());
  CHECK(tools.result["tools"].size() == world.listings["one"].back());
  done = false;
  world.upstreams.list("one", "prompts/list", seconds(60), [&](UpstreamAnswer answer) {
    tools = std::move(answer);
    done = true;
  });
  REQUIRE(world.until([&] { return done; }));
  CHECK(tools.result["prompts"].empty());
}

TEST_CASE("Upstreams: an idle server is stopped, and started again when it is wanted",
          "[upstream]") {
  UpstreamSettings settings = settings_for_tests();
  settings.idle_timeout = milliseconds(300);
  World world({definition("one")}, settings);
  const pid_t pid = world.pid("one");
  // Not while a call runs.
  CHECK(world.run("one", "sleep", {{"seconds", 1}}).text() == "slept");
  CHECK(world.about()["starts"] == 1);
  REQUIRE(world.until([&] { return world.about()["state"] == "stopped"; }));
  CHECK_FALSE(lives(pid));
  CHECK(world.pid("one") != pid);
  CHECK(world.about()["starts"] == 2);
}

TEST_CASE("Upstreams: at the end everything that a server has started is gone", "[upstream]") {
  World world({definition("one")});
  const pid_t pid = world.pid("one");
  const pid_t grandchild = world.run("one", "spawn").json()["pid"].get<pid_t>();
  REQUIRE(lives(grandchild));
  const auto call = world.begin("one", "sleep", {{"seconds", 100}});
  world.end();
  CHECK(call->kind() == Kind::Cancelled);
  CHECK_FALSE(lives(pid));
  CHECK_FALSE(lives(grandchild));
  const World::Call after = world.run("one", "echo");
  CHECK(after.kind() == Kind::Cancelled);
}

TEST_CASE("Upstreams: one that does not want to end is killed", "[upstream][slow]") {
  World world({definition("one", {"--stubborn"})});
  const pid_t pid = world.pid("one");
  world.end();
  CHECK_FALSE(lives(pid));
}

TEST_CASE("Upstreams: destroying them ends all at once, whatever they are at", "[upstream]") {
  pid_t pid = 0;
  bool called = false;
  {
    World world(
        {definition("one", {"--stubborn"}), definition("stuck", {"--hang"}), definition("unborn")});
    pid = world.pid("one");
    world.upstreams.call_tool("stuck", "echo", {}, seconds(60),
                              [&](UpstreamAnswer) { called = true; });
    world.turn_for(milliseconds(100));
    world.upstreams.call_tool("unborn", "echo", {}, seconds(60),
                              [&](UpstreamAnswer) { called = true; });
  }
  LoopFixture after;
  CHECK(after.until([&] { return !lives(pid); }));
  CHECK_FALSE(called);
}

TEST_CASE("Upstreams: a working directory that is missing is ours", "[upstream]") {
  UpstreamDefinition here = definition("here");
  here.working_directory = "/";
  UpstreamDefinition nowhere = definition("nowhere");
  nowhere.working_directory = "/no/such/directory";
  World world({here, nowhere});
  CHECK(world.run("here", "about").json()["cwd"] == "/");
  CHECK(world.run("nowhere", "about").json()["cwd"] == std::filesystem::current_path().string());
}

TEST_CASE("Upstreams: the environment is ours with the definition's, which no error shows",
          "[upstream]") {
  UpstreamDefinition one = definition("one");
  one.environment = {{"TOKEN", "s3cr3t-value"}, {"PATH", "/usr/bin:/bin"}};
  setenv("PYEMBER_SECRET_OF_OURS", "x", 1);
  World world({one});
  const Json environment = world.run("one", "environment").json();
  CHECK(environment["TOKEN"] == "s3cr3t-value");
  CHECK(environment["PATH"] == "/usr/bin:/bin");
  CHECK(environment.contains("HOME") == (getenv("HOME") != nullptr));
  CHECK_FALSE(environment.contains("PYEMBER_SECRET_OF_OURS"));
  const World::Call call = world.run("one", "die", {{"of", "a leak of s3cr3t-value"}});
  CHECK(has(call.message(), "a leak of ***"));
  CHECK_FALSE(has(world.upstreams.describe().dump(), "s3cr3t"));
}

TEST_CASE("Upstreams: a large answer is taken, one that is too large is an error of that call",
          "[upstream][slow]") {
  World world({definition("one")});
  CHECK(world.run("one", "large", {{"bytes", 10'000'000}}).text().size() == 10'000'000);
  const auto other = world.begin("one", "sleep", {{"seconds", 1}});
  CHECK(world.run("one", "large", {{"bytes", limits::kUpstreamMessageBytes}}).kind() ==
        Kind::TooLarge);
  world.wait(other);
  CHECK(other->text() == "slept");
  CHECK(world.run("one", "echo", {{"text", std::string(limits::kUpstreamMessageBytes, 'x')}})
            .kind() == Kind::TooLarge);
  CHECK(world.run("one", "echo", {{"text", "x"}}).text() == "x");
  CHECK(world.about()["starts"] == 1);
}

TEST_CASE("Upstreams: a flood of one does not keep the others waiting", "[upstream]") {
  World world({definition("flood"), definition("other")});
  world.pid("other");
  world.pid("flood");
  const auto flood = world.begin("flood", "flood", {{"count", 20'000}});
  for (int i = 0; i < 20; ++i) CHECK(world.run("other", "echo", {{"text", "x"}}).text() == "x");
  world.wait(flood);
  CHECK(flood->text() == "flooded");
}

TEST_CASE("Upstreams: an unknown name is told with those that are known", "[upstream]") {
  World world({definition("github"), definition("slack")});
  const World::Call call = world.run("postgres", "x");
  CHECK(call.kind() == Kind::UnknownServer);
  CHECK(has(call.message(), "Unknown MCP server: postgres."));
  CHECK(has(call.message(), "github, slack"));
  CHECK(world.upstreams.find("slack")->name == "slack");
  CHECK(world.upstreams.find("x") == nullptr);
}

TEST_CASE("Upstreams: what wants too much at once is refused", "[upstream]") {
  World world({definition("stuck", {"--hang"})});
  std::vector<std::shared_ptr<World::Call>> calls;
  for (std::size_t i = 0; i < limits::kUpstreamRequests; ++i) {
    calls.push_back(world.begin("stuck", "echo"));
  }
  CHECK(world.run("stuck", "echo").kind() == Kind::Limit);
}

TEST_CASE("Upstreams: start() tells what the server says of itself", "[upstream]") {
  World world({definition("one", {"--era", "handshake"})});
  UpstreamAnswer started;
  world.upstreams.start("one", [&](UpstreamAnswer answer) { started = std::move(answer); });
  REQUIRE(world.until([&] { return !started.result.is_null(); }));
  CHECK(started.result["serverInfo"]["name"] == "test");
  CHECK(started.result["protocolVersion"] == "2025-11-25");
  CHECK(started.result["startSeconds"].get<double>() > 0);
}

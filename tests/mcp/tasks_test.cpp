#include "base/limits.h"
#include "mcp/connection.h"
#include "mcp/server.h"
#include "mcp/task_keeper.h"
#include "support/catch.h"
#include "support/scripted_server.h"

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// Calls that are answered with a task (PROTOCOL: section 14).
using namespace pyember;
using Catch::Contains;
using mcp::Json;
using mcp::Tool;

namespace {

const std::string kTasks = "io.modelcontextprotocol/tasks";
constexpr std::int64_t kAfter = std::chrono::milliseconds(limits::kTaskAfter).count();
constexpr std::int64_t kTtl = std::chrono::milliseconds(limits::kTaskTtl).count();

// Keeps tasks in memory, longer than any server. What goes on does so in `going_on`.
struct Keeper : mcp::TaskKeeper {
  void keep(const mcp::TaskRecord& record) override {
    kept[record.id] = record;
    ++writes;
  }
  void forget(const std::string& id) override { kept.erase(id); }
  std::optional<mcp::TaskRecord> find(std::string_view id) override {
    const auto found = kept.find(std::string(id));
    return found == kept.end() ? std::nullopt : std::optional(found->second);
  }
  void go_on(const mcp::TaskRecord& record, std::shared_ptr<mcp::ToolCall> call) override {
    going_on[record.lasting_work] = std::move(call);
  }
  std::map<std::string, mcp::TaskRecord> kept;
  std::map<std::string, std::shared_ptr<mcp::ToolCall>> going_on;
  int writes = 0;
};

// Tools `plain`, `slow` (tasks are optional) and `long` (it wants a task at once), and `must`, that
// is for clients with tasks alone. Each waits to be answered.
class World {
 public:
  explicit World(mcp::TaskKeeper* keeper = nullptr) {
    add("plain", Tool::Tasking::Never);
    add("slow", Tool::Tasking::Optional);
    add("long", Tool::Tasking::Optional);
    add("must", Tool::Tasking::Required);
    server.emplace(mcp::ServerInfo{"test", "", "1", "", "", ""}, catalog, resources);
    server->offer_tasks([this] { return now; }, keeper);
    connection.emplace(*server, output, mcp::Connection::Options{[this](std::string_view tool) {
      return tool != forbidden;
    }});
  }

  static Json meta(bool tasks, const Json& more = Json::object()) {
    Json capabilities = more;
    if (tasks) capabilities["extensions"] = {{kTasks, Json::object()}};
    return {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
            {"io.modelcontextprotocol/clientCapabilities", capabilities}};
  }
  void send(const Json& id, const std::string& method, Json params, bool tasks = true,
            const Json& more = Json::object()) {
    params["_meta"] = meta(tasks, more);
    const Json message = {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}};
    connection->receive(mcp::to_json_text(message) + "\n");
  }
  Json take() {
    const std::string line = output.take();
    return line.empty() ? Json() : Json::parse(line);
  }
  Json ask(const std::string& method, Json params, bool tasks = true) {
    send("ask", method, std::move(params), tasks);
    return take();
  }
  Json call(const std::string& tool, bool tasks = true, const Json& more = Json::object()) {
    send(tool, "tools/call", {{"name", tool}}, tasks, more);
    return take();
  }
  Json get(const std::string& id) { return ask("tasks/get", {{"taskId", id}})["result"]; }
  // A call of `long`, which is a task by now.
  std::string task(const Json& more = Json::object()) {
    return call("long", true, more)["result"]["taskId"].get<std::string>();
  }

  std::int64_t now = 1'000'000;
  std::string forbidden;  // the tool this caller may not call
  test::CapturedOutput output;
  std::map<std::string, std::shared_ptr<mcp::ToolCall>> calls;
  test::ScriptedResources resources;
  mcp::ToolCatalog catalog;
  std::optional<mcp::Server> server;
  std::optional<mcp::Connection> connection;

 private:
  void add(const std::string& name, Tool::Tasking tasking) {
    Tool tool;
    tool.name = name;
    tool.description = "Waits";
    tool.input_schema = {{"type", "object"}};
    tool.tasking = tasking;
    tool.handler = [this, name](std::shared_ptr<mcp::ToolCall> call) {
      calls[name] = call;
      if (name == "long" || name == "must") call->go_on_as_task();
    };
    catalog.add(std::move(tool));
  }
};

}  // namespace

TEST_CASE("Tasks: the extension is offered in the modern era alone") {
  World world;
  CHECK(
      world.ask("server/discover", Json::object())["result"]["capabilities"]["extensions"].contains(
          kTasks));
  world.connection->receive(
      R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}})"
      "\n");
  const Json answer = world.take();
  CHECK_FALSE(answer["result"]["capabilities"].contains("extensions"));
  CHECK_FALSE(answer["result"]["capabilities"].contains("tasks"));
}

TEST_CASE("Tasks: a call that asks for one is answered with it, and its result is asked for") {
  World world;
  const Json created = world.call("long")["result"];
  CHECK(created["resultType"] == "task");
  CHECK(created["status"] == "working");
  CHECK(created["createdAt"] == "1970-01-01T00:16:40.000Z");
  CHECK(created["ttlMs"] == kTtl);
  CHECK(created["pollIntervalMs"].is_number_integer());
  CHECK_FALSE(created.contains("task"));
  const std::string id = created["taskId"];
  CHECK(id.size() == 32);

  world.now += 5;
  world.calls["long"]->progress(1, 2, "half of it");
  CHECK(world.get(id)["statusMessage"] == "half of it");
  CHECK(world.get(id)["status"] == "working");
  world.calls["long"]->complete(mcp::tool_result("all of it", {{"n", 1}}));
  const Json over = world.get(id);
  CHECK(over["resultType"] == "complete");
  CHECK(over["status"] == "completed");
  CHECK(over["lastUpdatedAt"] == "1970-01-01T00:16:40.005Z");
  CHECK(over["result"]["content"][0]["text"] == "all of it");
  CHECK(over["result"]["structuredContent"] == Json{{"n", 1}});
  CHECK(world.server->running_tasks() == 0);
}

TEST_CASE("Tasks: a tool's error is a result; one of the protocol is an error") {
  World world;
  const std::string one = world.task();
  world.calls["long"]->complete(mcp::tool_error("it failed"));
  CHECK(world.get(one)["status"] == "completed");
  CHECK(world.get(one)["result"]["isError"] == true);
  const std::string other = world.task();
  world.calls["long"]->fail({mcp::RpcCode::InternalError, "crashed", {}});
  CHECK(world.get(other)["status"] == "failed");
  CHECK(world.get(other)["error"] == Json{{"code", -32603}, {"message", "crashed"}});
}

TEST_CASE("Tasks: a slow call becomes one, a fast one does not, nor one of a client without them") {
  World world;
  world.send(1, "tools/call", {{"name", "slow"}});
  const auto first = world.calls["slow"];
  world.now += kAfter - 1;
  world.server->look_after_tasks();
  CHECK(world.take().is_null());
  world.now += 1;
  world.server->look_after_tasks();
  const Json created = world.take();
  CHECK(created["id"] == 1);
  CHECK(created["result"]["resultType"] == "task");
  first->complete(mcp::tool_result("late", nullptr));
  CHECK(world.get(created["result"]["taskId"])["status"] == "completed");

  world.send(2, "tools/call", {{"name", "slow"}});
  world.calls["slow"]->complete(mcp::tool_result("soon", nullptr));
  CHECK(world.take()["result"]["resultType"] == "complete");
  world.send(3, "tools/call", {{"name", "slow"}}, false);
  world.send(4, "tools/call", {{"name", "plain"}});
  world.now += 10 * kAfter;
  world.server->look_after_tasks();
  CHECK(world.take().is_null());
}

TEST_CASE("Tasks: a client without them gets the result, or is told what it lacks") {
  World world;
  CHECK(world.call("long", false).is_null());
  world.calls["long"]->complete(mcp::tool_result("plainly", nullptr));
  CHECK(world.take()["result"]["content"][0]["text"] == "plainly");
  const Json refused = world.call("must", false)["error"];
  CHECK(refused["code"] == -32021);
  CHECK(refused["data"]["requiredCapabilities"]["extensions"].contains(kTasks));
  CHECK(world.call("must")["result"]["resultType"] == "task");
  const std::string id = world.task();
  for (const char* method : {"tasks/get", "tasks/update", "tasks/cancel"}) {
    CAPTURE(method);
    CHECK(world.ask(method, {{"taskId", id}}, false)["error"]["code"] == -32021);
    CHECK(world.ask(method, {{"taskId", "nobody's"}})["error"]["code"] == -32602);
    CHECK(world.ask(method, Json::object())["error"]["code"] == -32602);
  }
  for (const char* method : {"tasks/list", "tasks/result"}) {
    CHECK(world.ask(method, {{"taskId", id}})["error"]["code"] == -32601);
  }
}

TEST_CASE("Tasks: one is cancelled once, and for good") {
  World world;
  const std::string id = world.task();
  bool told = false;
  world.calls["long"]->on_cancel([&told] { told = true; });
  CHECK(world.ask("tasks/cancel", {{"taskId", id}})["result"]["resultType"] == "complete");
  CHECK(told);
  world.calls["long"]->complete(mcp::tool_result("too late", nullptr));
  CHECK(world.get(id)["status"] == "cancelled");
  CHECK_FALSE(world.get(id).contains("result"));
  CHECK(world.ask("tasks/cancel", {{"taskId", id}}).contains("result"));
}

TEST_CASE("Tasks: one that ended is not cancelled any more, and a cancelled request ends none") {
  World world;
  const std::string id = world.task();
  world.connection->receive(
      R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"long"}})"
      "\n");
  world.connection->cancel_all();
  CHECK(world.get(id)["status"] == "working");
  world.calls["long"]->complete(mcp::tool_result("done", nullptr));
  CHECK(world.ask("tasks/cancel", {{"taskId", id}}).contains("result"));
  CHECK(world.get(id)["status"] == "completed");
}

TEST_CASE("Tasks: what one asks is answered while it goes on, each question once") {
  World world;
  const std::string id = world.task({{"elicitation", {{"form", Json::object()}}}});
  const Json form = {{"type", "object"}, {"properties", {{"n", {{"type", "integer"}}}}}};
  std::string said;
  for (const char* each : {"first", "second"}) {
    world.calls["long"]->ask({each, form}, [&said, each](Result<mcp::Answer> answer) {
      said += std::string(each) + (answer ? mcp::to_json_text(answer.value().content) : "refused");
    });
  }
  const Json asking = world.get(id);
  CHECK(asking["status"] == "input_required");
  REQUIRE(asking["inputRequests"].size() == 2);
  CHECK(world.get(id)["inputRequests"] == asking["inputRequests"]);
  const auto key_of = [&asking](const char* message) {
    for (const auto& [key, request] : asking["inputRequests"].items()) {
      if (request["params"]["message"] == message) return key;
    }
    return std::string();
  };
  const auto answer = [&](const std::string& key, const Json& content) {
    const Json response = {{"action", "accept"}, {"content", content}};
    return world.ask("tasks/update", {{"taskId", id}, {"inputResponses", {{key, response}}}});
  };
  CHECK(answer("unknown", {{"n", 1}})["result"]["resultType"] == "complete");
  CHECK(answer(key_of("second"), {{"n", "no number"}}).contains("result"));
  CHECK(said.empty());
  CHECK(answer(key_of("second"), {{"n", 2}}).contains("result"));
  CHECK(said == R"(second{"n":2})");
  CHECK(world.get(id)["inputRequests"].size() == 1);
  CHECK(answer(key_of("second"), {{"n", 3}}).contains("result"));
  CHECK(answer(key_of("first"), {{"n", 1}}).contains("result"));
  CHECK(said == R"(second{"n":2}first{"n":1})");
  CHECK(world.get(id)["status"] == "working");
  CHECK(world.ask("tasks/update", {{"taskId", id}})["error"]["code"] == -32602);
}

TEST_CASE("Tasks: those who listen are told of each change, and of nothing else") {
  World world;
  const std::string other = world.task();
  const auto kept = world.calls["long"];
  const std::string id = world.task();
  const Json wanted = {{"notifications", {{"taskIds", {id, "nobody's"}}}}};
  world.send("l0", "subscriptions/listen", wanted, false);
  CHECK(world.take()["error"]["code"] == -32021);
  world.send("l1", "subscriptions/listen", wanted);
  CHECK(world.take()["params"]["notifications"]["taskIds"] == Json::array({id}));
  world.ask("tasks/cancel", {{"taskId", other}});
  CHECK(world.take().is_null());
  world.send("c", "tasks/cancel", {{"taskId", id}});
  const Json told = world.take();
  CHECK(told["method"] == "notifications/tasks");
  CHECK(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "l1");
  CHECK(told["params"]["taskId"] == id);
  CHECK(told["params"]["status"] == "cancelled");
  CHECK(world.take()["id"] == "c");
}

TEST_CASE("Tasks: of a tool that a caller may not call they are not the caller's either") {
  World world;
  const std::string id = world.task();
  world.forbidden = "long";
  for (const char* method : {"tasks/get", "tasks/update", "tasks/cancel"}) {
    CAPTURE(method);
    const Json params = {{"taskId", id}, {"inputResponses", Json::object()}};
    CHECK(world.ask(method, params)["error"]["code"] == static_cast<int>(mcp::RpcCode::Forbidden));
  }
  world.send("l", "subscriptions/listen", {{"notifications", {{"taskIds", {id}}}}});
  CHECK(world.take()["params"]["notifications"].value("taskIds", Json::array()).empty());
  world.forbidden.clear();
  CHECK(world.get(id)["status"] == "working");
}

TEST_CASE("Tasks: one is kept for its time after its end, and no longer") {
  World world;
  const std::string id = world.task();
  world.now += 3 * kTtl;
  CHECK(world.get(id)["status"] == "working");
  world.calls["long"]->complete(mcp::tool_result("done", nullptr));
  CHECK(world.get(id)["ttlMs"] == 4 * kTtl);
  world.now += kTtl - 1;
  CHECK(world.get(id)["status"] == "completed");
  world.now += 1;
  CHECK(world.ask("tasks/get", {{"taskId", id}})["error"]["code"] == -32602);
}

TEST_CASE("Tasks: when there are as many as there may be, calls are answered plainly") {
  World world;
  std::vector<std::shared_ptr<mcp::ToolCall>> kept;
  for (std::size_t count = 0; count < limits::kTasks; ++count) {
    world.task();
    kept.push_back(world.calls["long"]);
  }
  CHECK(world.call("long").is_null());
  world.calls["long"]->complete(mcp::tool_result("plainly", nullptr));
  CHECK(world.take()["result"]["resultType"] == "complete");
}

TEST_CASE("Tasks: a server that ends cancels them") {
  auto world = std::make_unique<World>();
  world->task();
  const auto call = world->calls["long"];
  world.reset();
  CHECK(call->cancelled());
}

// --- those that outlive their server -------------------------------------------------------------

TEST_CASE("Tasks: one is kept before its client hears of it, and when it is over") {
  Keeper keeper;
  World world(&keeper);
  const std::string id = world.task();
  REQUIRE(keeper.kept.count(id) == 1);
  CHECK(keeper.kept[id].tool == "long");
  CHECK(keeper.kept[id].created_ms == world.now);
  CHECK_FALSE(keeper.kept[id].outcome);
  CHECK(world.server->running_tasks() == 1);
  world.calls["long"]->lasts_as("job 7");
  CHECK(keeper.kept[id].lasting_work == "job 7");
  CHECK(world.server->running_tasks() == 0);  // that a server which ends would lose
  const int writes = keeper.writes;
  world.calls["long"]->progress(1, 2, "half of it");
  CHECK(keeper.writes == writes);
  world.now += 5;
  world.calls["long"]->complete(mcp::tool_result("all of it", nullptr));
  REQUIRE(keeper.kept[id].outcome);
  CHECK(std::get<mcp::ToolResult>(*keeper.kept[id].outcome).content[0]["text"] == "all of it");
  CHECK(keeper.kept[id].updated_ms == world.now);
}

TEST_CASE("Tasks: what is known of the work when a call becomes a task is kept with it at once") {
  Keeper keeper;
  World world(&keeper);
  world.send(1, "tools/call", {{"name", "slow"}});
  const auto call = world.calls["slow"];
  call->lasts_as("not yet a task's");
  CHECK_FALSE(call->is_task());
  call->on_task([&call] { call->lasts_as("job 7"); });
  CHECK(call->go_on_as_task());
  CHECK(call->is_task());
  CHECK(keeper.writes == 1);
  CHECK(keeper.kept.at(world.take()["result"]["taskId"]).lasting_work == "job 7");
  CHECK(call->go_on_as_task());  // as it is
  CHECK(world.take().is_null());
}

TEST_CASE("Tasks: a call that ends in the moment it becomes a task is one that is over") {
  Keeper keeper;
  World world(&keeper);
  world.send(1, "tools/call", {{"name", "slow"}});
  std::weak_ptr<mcp::ToolCall> weak = world.calls["slow"];
  world.calls["slow"]->on_task([weak] { weak.lock()->complete(mcp::tool_error("no job")); });
  CHECK(world.calls["slow"]->go_on_as_task());
  const Json created = world.take()["result"];
  CHECK(created["resultType"] == "task");
  CHECK(created["status"] == "completed");
  CHECK(world.get(created["taskId"])["result"]["isError"] == true);
  CHECK(keeper.kept.at(created["taskId"]).outcome);
}

TEST_CASE("Tasks: one whose work lasts goes on with the next server, told and cancelled as ever") {
  Keeper keeper;
  auto first = std::make_unique<World>(&keeper);
  const std::string id = first->task();
  const auto call = first->calls["long"];
  bool told = false;
  call->on_cancel([&told] { told = true; });
  call->lasts_as("job 7");
  const Json before = first->get(id);
  first.reset();
  CHECK_FALSE(told);
  call->complete(mcp::tool_result("nobody hears it", nullptr));

  World second(&keeper);
  second.now += 1000;
  Json found = second.get(id);
  CHECK(found["status"] == "working");
  CHECK(found["createdAt"] == before["createdAt"]);
  CHECK(found["ttlMs"] == kTtl + 1000);
  REQUIRE(keeper.going_on.count("job 7") == 1);
  second.send("l", "subscriptions/listen", {{"notifications", {{"taskIds", {id}}}}});
  CHECK(second.take()["params"]["notifications"]["taskIds"] == Json::array({id}));
  keeper.going_on["job 7"]->progress(1, {}, "nearly");
  CHECK(second.take()["params"]["statusMessage"] == "nearly");

  SECTION("to its end") {
    keeper.going_on["job 7"]->complete(mcp::tool_result("all of it", nullptr));
    CHECK(second.take()["params"]["status"] == "completed");
    CHECK(second.get(id)["result"]["content"][0]["text"] == "all of it");
  }
  SECTION("until it is cancelled") {
    bool stopped = false;
    keeper.going_on["job 7"]->on_cancel([&stopped] { stopped = true; });
    second.send("c", "tasks/cancel", {{"taskId", id}});
    CHECK(stopped);
    CHECK(second.take()["params"]["status"] == "cancelled");
    CHECK(second.take()["id"] == "c");
    CHECK(std::holds_alternative<mcp::TaskCancelled>(*keeper.kept[id].outcome));
  }
  SECTION("until whoever goes on with it gives up") {
    keeper.going_on.clear();
    CHECK(second.take()["params"]["status"] == "failed");
  }
}

TEST_CASE("Tasks: one that was over is what it was for the next server, until its time is over") {
  Keeper keeper;
  auto first = std::make_unique<World>(&keeper);
  const std::string id = first->task();
  first->now += 500;
  first->calls["long"]->fail({mcp::RpcCode::InternalError, "crashed", Json{{"n", 1}}});
  const Json before = first->get(id);
  first.reset();
  World second(&keeper);
  second.now += 500 + kTtl - 1;
  CHECK(second.get(id) == before);
  second.now += 1;
  CHECK(second.ask("tasks/get", {{"taskId", id}})["error"]["code"] == -32602);
  CHECK(keeper.kept.empty());
}

TEST_CASE("Tasks: what was kept past its time is forgotten when it is asked for, or looked after") {
  Keeper keeper;
  World world(&keeper);
  const std::string one = world.task();
  world.calls["long"]->complete({});
  world.now += kTtl;
  world.server->look_after_tasks();
  CHECK(keeper.kept.empty());
  const std::string other = world.task();
  world.calls["long"]->complete({});
  const mcp::TaskRecord record = keeper.kept[other];
  world.now += kTtl;
  world.server->look_after_tasks();
  keeper.kept[other] = record;
  CHECK(world.ask("tasks/get", {{"taskId", other}})["error"]["code"] == -32602);
  CHECK(keeper.kept.empty());
}

TEST_CASE("Tasks: one whose work somebody else cancels is cancelled, and says by whom") {
  World world;
  const std::string id = world.task();
  bool told = false;
  world.calls["long"]->on_cancel([&told] { told = true; });
  CHECK(world.calls["long"]->end_as_cancelled("its job was killed"));
  CHECK_FALSE(world.calls["long"]->end_as_cancelled("twice"));
  CHECK_FALSE(told);
  CHECK(world.get(id)["status"] == "cancelled");
  CHECK(world.get(id)["statusMessage"] == "its job was killed");
  world.send(1, "tools/call", {{"name", "plain"}});
  CHECK_FALSE(world.calls["plain"]->end_as_cancelled("a call waits for an answer"));
  CHECK_FALSE(world.calls["plain"]->cancelled());
}

TEST_CASE("Tasks: a server with many of those before it still answers for each") {
  Keeper keeper;
  World world(&keeper);
  mcp::TaskRecord record;
  record.tool = "long";
  record.created_ms = record.updated_ms = world.now;
  record.outcome = mcp::ToolResult();
  for (std::size_t count = 0; count < limits::kTasks + 2; ++count) {
    record.id = "task " + std::to_string(count);
    keeper.kept[record.id] = record;
    CHECK(world.get(record.id)["status"] == "completed");
  }
  CHECK(world.get("task 0")["status"] == "completed");
}

#include "support/catch.h"

#include <chrono>

#include "app_driver.h"
#include "base/limits.h"

using namespace pyember;
using namespace pyember::host;
using namespace std::chrono_literals;

TEST_CASE("App: when stdin closes, a short cell is still answered and the exit code is 0") {
  AppDriver app;
  const int id = app.call("run_python", {{"code", "sleep 100\nprint done"}});
  app.close_input();
  CHECK(app.answer(id)["result"]["structuredContent"]["stdout"] == "done\n");
  CHECK(app.exit_code() == 0);
}

TEST_CASE("App: when stdin closes, a long cell is interrupted and answered", "[slow]") {
  AppDriver app;
  const int running = app.call("run_python", {{"code", "print begun\nsleep 60000"}});
  const int waiting = app.call("run_python", {{"code", "print never"}});
  app.close_input();
  const mcp::Json first = app.answer(running)["result"]["structuredContent"];
  CHECK(first["status"] == "interrupted");
  CHECK(first["stdout"] == "begun\n");
  CHECK(app.answer(waiting)["result"]["structuredContent"]["status"] == "interrupted");
  CHECK(app.exit_code() == 0);
}

TEST_CASE("App: background cells do not keep the server from ending") {
  AppDriver app;
  app.run("run_python", {{"code", "sleep 60000"}, {"background", true}});
  app.close_input();
  CHECK(app.exit_code() == 0);
}

TEST_CASE("App: a runtime that could not start is told to every caller, and the server serves on") {
  embed::RuntimeHealth health;
  health.start_error = "its library is missing";
  AppDriver app({}, health);
  app.read_for(0.2);
  const mcp::Json result = app.run("run_python", {{"code", "print x"}});
  CHECK(result["isError"] == true);
  CHECK(result["content"][0]["text"].get<std::string>().find("its library is missing") !=
        std::string::npos);
  CHECK(app.run("list_sessions", mcp::Json::object())["isError"] == false);
}

TEST_CASE("App: a wedged runtime ends the server with its own exit code, calls answered",
          "[slow]") {
  AppDriver app;
  const int id = app.call("run_python", {{"code", "sleep 60000"}});
  app.read_for(0.1);
  embed::RuntimeHealth wedged;
  wedged.started = true;
  wedged.heartbeat_age = limits::kWedgedAfter + 1s;
  app.tell_health(wedged);
  const mcp::Json answer = app.answer(id)["result"]["structuredContent"];
  CHECK(answer["status"] == "lost");
  CHECK(app.exit_code() == limits::kRestartExitCode);
}

TEST_CASE("App: a slow cell in one session delays neither another session nor a list") {
  AppDriver app;
  const int slow = app.call("run_python", {{"code", "sleep 60000"}, {"session", "slow"}});
  CHECK(app.run("run_python", {{"code", "print quick"}, {"session", "other"}})["isError"] == false);
  const mcp::Json sessions =
      app.run("list_sessions", mcp::Json::object())["structuredContent"]["sessions"];
  REQUIRE(sessions.size() == 2);
  CHECK(sessions[1]["state"] == "busy");
  app.notify("notifications/cancelled", {{"requestId", slow}});
  app.read_for(0.05);
  CHECK(app.run("list_sessions",
                mcp::Json::object())["structuredContent"]["sessions"][1]["state"] == "idle");
}

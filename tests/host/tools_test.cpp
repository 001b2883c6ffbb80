#include "support/catch.h"

#include "app_driver.h"

using namespace pyember;
using namespace pyember::host;
using mcp::Json;

namespace {

std::string text_of(const Json& result) { return result["content"][0]["text"].get<std::string>(); }

}  // namespace

TEST_CASE("run_python: a completed cell gives its output and result in text and in fields") {
  AppDriver app;
  const Json result = app.run("run_python", {{"code", "print hello\nerror careful\nresult 42"}});
  CHECK(result["isError"] == false);
  const Json& fields = result["structuredContent"];
  CHECK(fields["status"] == "completed");
  CHECK(fields["stdout"] == "hello\n");
  CHECK(fields["stderr"] == "careful\n");
  CHECK(fields["result"] == "42");
  CHECK(fields["error"].is_null());
  CHECK(fields["session"] == "main");
  CHECK(fields["cell"] == 1);
  CHECK(fields["elapsed_seconds"].is_number());
  CHECK(fields["notices"].empty());
  CHECK(text_of(result) == "hello\n[stderr]\ncareful\n[result] 42");
}

TEST_CASE("run_python: text for a model is never empty and says only what there is") {
  AppDriver app;
  CHECK(text_of(app.run("run_python", {{"code", ""}})) == "(no output)");
  CHECK(text_of(app.run("run_python", {{"code", "result 2"}})) == "2");
  CHECK(text_of(app.run("run_python", {{"code", "raise ValueError"}})) == "Traceback: ValueError");
}

TEST_CASE("run_python: an exception is an error of the call, with type, message and traceback") {
  AppDriver app;
  const Json result = app.run("run_python", {{"code", "print before\nraise ValueError"}});
  CHECK(result["isError"] == true);
  CHECK(result["structuredContent"]["status"] == "raised");
  CHECK(result["structuredContent"]["stdout"] == "before\n");
  CHECK(result["structuredContent"]["error"] == Json{{"type", "ValueError"},
                                                     {"message", "told to"},
                                                     {"traceback", "Traceback: ValueError"}});
}

TEST_CASE("run_python: a timeout stops the cell, and bad timeouts are refused with the bounds") {
  AppDriver app;
  const Json stopped = app.run("run_python", {{"code", "sleep 60000"}, {"timeout", 0.02}});
  CHECK(stopped["isError"] == true);
  CHECK(stopped["structuredContent"]["status"] == "timed_out");
  for (const double timeout : {0.0, -1.0, 3601.0}) {
    const Json refused = app.run("run_python", {{"code", "print x"}, {"timeout", timeout}});
    CHECK(refused["isError"] == true);
    CHECK(text_of(refused).find("at most 3600 s") != std::string::npos);
  }
}

TEST_CASE("run_python: wrong arguments are answered in words, not as protocol errors") {
  AppDriver app;
  for (const Json& arguments : {Json::object(), Json{{"code", 5}}, Json{{"code", "x"}, {"cod", 1}},
                                Json{{"code", "x"}, {"session", "not a name"}}}) {
    const Json result = app.run("run_python", arguments);
    REQUIRE(result.is_object());
    CHECK(result["isError"] == true);
    CHECK(text_of(result).size() > 20);
  }
}

TEST_CASE("run_python: output over the budget is cut, linked and readable to its last byte") {
  AppDriver app;
  const Json result = app.run("run_python", {{"code", "print begin\nflood 3000000\nprint end"}});
  const std::string shown = result["structuredContent"]["stdout"].get<std::string>();
  CHECK(shown.size() < 21'000);
  CHECK(shown.starts_with("begin\n"));
  CHECK(shown.ends_with("end\n"));
  REQUIRE(result["content"].size() == 2);
  const Json& link = result["content"][1];
  CHECK(link["type"] == "resource_link");
  CHECK(link["size"] == 3'000'010);

  std::string all;
  std::string uri = link["uri"].get<std::string>();
  int pages = 0;
  while (!uri.empty() && pages < 100) {
    const Json page =
        app.answer(app.request("resources/read", {{"uri", uri}}))["result"]["contents"][0];
    all += page["text"].get<std::string>();
    uri = page["_meta"].value("nextUri", "");
    ++pages;
  }
  CHECK(pages == 3);
  CHECK(all == "begin\n" + std::string(3'000'000, 'x') + "end\n");
  const Json list =
      app.answer(app.request("resources/list", Json::object()))["result"]["resources"];
  REQUIRE_FALSE(list.empty());  // pages of the server's own may come behind it
  CHECK(list[0]["uri"] == link["uri"]);
}

TEST_CASE("run_python: progress brings output as it is printed, with rising values") {
  AppDriver app;
  const int id =
      app.call("run_python", {{"code", "sleep 150\nprint one\nsleep 150\nprint two\nsleep 150"}},
               {{"progressToken", "p"}});
  CHECK(app.answer(id)["result"]["isError"] == false);
  std::string messages;
  double last = -1;
  for (const Json& each : app.notifications("notifications/progress")) {
    CHECK(each["progressToken"] == "p");
    CHECK(each["progress"].get<double>() > last);
    last = each["progress"].get<double>();
    messages += each.value("message", "") + "|";
  }
  CHECK(messages == "one\n|two\n|");
}

TEST_CASE("run_python: without a token there is no progress") {
  AppDriver app;
  app.run("run_python", {{"code", "print one\nsleep 150\nprint two"}});
  CHECK(app.notifications("notifications/progress").empty());
}

TEST_CASE("run_python: a cancelled call is not answered and its cell is stopped") {
  AppDriver app;
  const int id = app.call("run_python", {{"code", "sleep 60000"}});
  app.notify("notifications/cancelled", {{"requestId", id}});
  const Json next = app.run("run_python", {{"code", "print next"}});
  CHECK(next["structuredContent"]["stdout"] == "next\n");
  CHECK(next["structuredContent"]["cell"] == 2);
}

TEST_CASE("run_python: a background cell is answered at once and inspected later") {
  AppDriver app;
  const Json started =
      app.run("run_python", {{"code", "print so far\nsleep 60000"}, {"background", true}});
  CHECK(started["isError"] == false);
  CHECK(started["structuredContent"]["status"] == "running");
  CHECK(started["structuredContent"]["cell"] == 1);
  app.read_for(0.05);
  const Json busy = app.run("inspect_session", Json::object())["structuredContent"];
  CHECK(busy["state"] == "busy");
  CHECK(busy["running"]["cell"] == 1);
  CHECK(busy["running"]["stdout"] == "so far\n");
  CHECK(busy["running"]["code"].get<std::string>().starts_with("print so far"));
  const Json interrupted = app.run("interrupt_session", Json::object())["structuredContent"];
  CHECK(interrupted["interrupted"] == true);
  CHECK(interrupted["cell"] == 1);
  app.read_for(0.05);
  const Json ended = app.run("inspect_session", {{"cell", 1}})["structuredContent"]["cell"];
  CHECK(ended["status"] == "interrupted");
  CHECK(ended["stdout"] == "so far\n");
}

TEST_CASE("inspect_session: an idle session shows its names, an unknown one says what is open") {
  AppDriver app;
  app.run("run_python", {{"code", "print x"}});
  const Json idle = app.run("inspect_session", Json::object());
  CHECK(idle["structuredContent"]["names"][0]["name"] == "x");
  CHECK(text_of(idle).find("x: int") != std::string::npos);
  const Json unknown = app.run("inspect_session", {{"session", "nobody"}});
  CHECK(unknown["isError"] == true);
  CHECK(text_of(unknown).find("Open sessions: main") != std::string::npos);
  CHECK(app.run("inspect_session", {{"cell", 99}})["isError"] == true);
}

TEST_CASE("reset_session and close_session answer, and the next cell works") {
  AppDriver app;
  app.run("run_python", {{"code", "print x"}});
  CHECK(app.run("reset_session", Json::object())["structuredContent"]["reset"] == true);
  CHECK(app.run("run_python", {{"code", "print y"}})["structuredContent"]["stdout"] == "y\n");
  CHECK(app.run("close_session", Json::object())["structuredContent"]["closed"] == true);
  CHECK(app.run("close_session", Json::object())["isError"] == true);
  CHECK(app.run("run_python", {{"code", "print z"}})["structuredContent"]["stdout"] == "z\n");
}

TEST_CASE("run_python: a lost session says so, and the next answer says it was replaced") {
  AppDriver app;
  const Json lost = app.run("run_python", {{"code", "lose a signal came"}});
  CHECK(lost["structuredContent"]["status"] == "lost");
  const Json next = app.run("run_python", {{"code", "print on"}});
  CHECK(next["structuredContent"]["status"] == "completed");
  REQUIRE(next["structuredContent"]["notices"].size() == 1);
  CHECK(text_of(next).find("a signal came") != std::string::npos);
}

TEST_CASE("Tools: the list is the same each time and every tool can be described") {
  AppDriver app;
  const Json first = app.answer(app.request("tools/list", Json::object()))["result"]["tools"];
  app.run("run_python", {{"code", "print x"}});
  CHECK(app.answer(app.request("tools/list", Json::object()))["result"]["tools"] == first);
  REQUIRE(first.size() > 6);
  CHECK(first[0]["name"] == "run_python");
  for (const Json& tool : first) {
    INFO(tool["name"]);
    CHECK_FALSE(tool["description"].get<std::string>().empty());
    CHECK(tool["outputSchema"]["type"] == "object");
    CHECK(tool["annotations"].contains("readOnlyHint"));
  }
}

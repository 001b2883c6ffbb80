#include "support/catch.h"

#include <string>

#include "app_driver.h"
#include "host/tools/capability_resource.h"
#include "host/tools/code_answer.h"
#include "host/tools/code_texts.h"

using namespace pyember;
using namespace pyember::host;
using mcp::Json;

namespace {

Options code_mode(OutputMode mode = OutputMode::Compact) {
  Options options;
  options.profile = Profile::Code;
  options.output_mode = mode;
  options.timeout = options.maximum_timeout = limits::kCodeModeTimeout;
  return options;
}

std::string text_of(const Json& result) { return result["content"][0]["text"].get<std::string>(); }

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

Json listed_tool(AppDriver& app) {
  const Json tools = app.answer(app.request("tools/list", Json::object()))["result"]["tools"];
  REQUIRE(tools.size() == 1);
  return tools[0];
}

}  // namespace

TEST_CASE("code mode: the one tool tells how to go on, within 250 tokens") {
  AppDriver app(code_mode());
  const Json tool = listed_tool(app);
  const std::size_t bytes = tool["name"].dump().size() + tool["description"].dump().size() +
                            tool["inputSchema"].dump().size();
  INFO("tokens: " << bytes / 4);
  CHECK(bytes / 4 <= 250);
  const Json& properties = tool["inputSchema"]["properties"];
  CHECK(contains(properties["code"]["description"].get<std::string>(), kHelperHint));
  CHECK(!properties.contains("isolation"));
  CHECK(properties["timeout"]["maximum"] == 120);
  CHECK(properties["timeout"]["default"] == 120);
  for (const char* word : {"search_tool_docs", "mcp_servers", "save_tool", "capability_summary"}) {
    CHECK(contains(std::string(kHelperHint), word));
  }
}

TEST_CASE("code mode: the capability resource is listed with its size and read by its address") {
  AppDriver app(code_mode());
  const Json list =
      app.answer(app.request("resources/list", Json::object()))["result"]["resources"];
  REQUIRE(list.size() == 1);
  CHECK(list[0]["uri"] == kCapabilityUri);
  CHECK(list[0]["name"] == "code-execution-capabilities");
  CHECK(list[0]["title"] == "Code Execution Sandbox Helpers");
  CHECK(list[0]["mimeType"] == "text/markdown");
  const Json body =
      app.answer(app.request("resources/read", {{"uri", kCapabilityUri}}))["result"]["contents"][0];
  const std::string text = body["text"].get<std::string>();
  CHECK(list[0]["size"] == text.size());
  INFO("tokens: " << text.size() / 4);
  CHECK(text.size() / 4 <= 350);
  for (const std::string_view part :
       {std::string_view("Code Execution MCP Capabilities"), kHelperHint, kCapabilityUri,
        std::string_view("cwd"), std::string_view("_sync"), std::string_view("servers="),
        std::string_view("import mcp.runtime")}) {
    INFO(part);
    CHECK(contains(text, part));
  }
}

TEST_CASE("code mode: an unknown resource is an invalid parameter, in those words") {
  AppDriver app(code_mode());
  const Json error =
      app.answer(app.request("resources/read", {{"uri", "resource://x/y"}}))["error"];
  CHECK(error["code"] == -32602);
  CHECK(error["message"] == "Unknown resource: resource://x/y");
}

TEST_CASE("code mode: a compact answer is the lines, in text and as fields") {
  AppDriver app(code_mode());
  const Json result = app.run("run_python", {{"code", "print alpha\nprint beta"}});
  CHECK(result["isError"] == false);
  CHECK(text_of(result) == "alpha\nbeta");
  CHECK(result["structuredContent"] == Json{{"stdout", {"alpha", "beta"}}});
  CHECK(result["content"].size() == 1);
}

TEST_CASE("code mode: an empty tuple is no output, and inner blank lines stay in the text") {
  AppDriver app(code_mode());
  const Json nothing = app.run("run_python", {{"code", "print ()"}});
  CHECK(text_of(nothing) == "Success (no output)");
  CHECK(nothing["structuredContent"] == Json{{"summary", "Success (no output)"}});
  const Json blank = app.run("run_python", {{"code", "print  \nprint a\nprint \nprint b\nprint "}});
  CHECK(text_of(blank) == "a\n\nb");
  CHECK(blank["structuredContent"] == Json{{"stdout", {"a", "b"}}});
}

TEST_CASE("code mode: a last expression's value is a line of the output") {
  AppDriver app(code_mode());
  const Json result = app.run("run_python", {{"code", "print x\nresult 2"}});
  CHECK(text_of(result) == "x\n2");
  CHECK(result["structuredContent"] == Json{{"stdout", {"x", "2"}}});
}

TEST_CASE("code mode: an exception is exit code 1, with its traceback in stderr") {
  AppDriver app(code_mode());
  const Json result = app.run("run_python", {{"code", "print before\nraise ValueError"}});
  CHECK(result["isError"] == true);
  CHECK(text_of(result) == "status: error\nexit: 1\nbefore\nstderr:\nTraceback: ValueError");
  CHECK(result["structuredContent"] == Json{{"status", "error"},
                                            {"summary", "Sandbox error: ValueError: told to"},
                                            {"exitCode", 1},
                                            {"stdout", {"before"}},
                                            {"stderr", {"Traceback: ValueError"}},
                                            {"error", "Sandbox exited with code 1"}});
}

TEST_CASE("code mode: stderr follows stdout, and servers that were named are told") {
  AppDriver app(code_mode());
  const Json result = app.run("run_python", {{"code", "print out\nerror careful"}});
  CHECK(text_of(result) == "out\nstderr:\ncareful");
  const Json only = app.run("run_python", {{"code", "error careful"}});
  CHECK(only["structuredContent"] == Json{{"summary", "Success"}, {"stderr", {"careful"}}});
}

TEST_CASE("code mode: a timeout tells how long it was and what to do") {
  AppDriver app(code_mode());
  const Json result =
      app.run("run_python", {{"code", "print partial\nsleep 60000"}, {"timeout", 1}});
  CHECK(result["isError"] == true);
  const Json& fields = result["structuredContent"];
  CHECK(fields["status"] == "timeout");
  CHECK(fields["summary"] == "Timeout: execution exceeded 1s");
  CHECK(fields["stdout"] == Json{"partial"});
  CHECK(fields["timeoutSeconds"] == 1);
  CHECK(contains(fields["error"].get<std::string>(), "MCP_BRIDGE_TIMEOUT"));
  CHECK(text_of(result).starts_with("status: timeout\npartial\nerror: Execution exceeded 1s"));
}

TEST_CASE("code mode: timeouts are clamped, and read as whole seconds") {
  AppDriver app(code_mode());
  for (const Json& timeout : {Json(-5), Json(0), Json(1e9), Json(3.0), Json(nullptr)}) {
    INFO(timeout.dump());
    CHECK(text_of(app.run("run_python", {{"code", "print x"}, {"timeout", timeout}})) == "x");
  }
}

TEST_CASE("code mode: wrong arguments are answered in short, with how to go on") {
  AppDriver app(code_mode());
  const std::vector<std::pair<Json, std::string>> cases = {
      {Json::object(), "Missing 'code' argument"},
      {{{"code", " \n"}}, "Missing 'code' argument"},
      {{{"code", 5}}, "Missing 'code' argument"},
      {{{"code", "print x"}, {"servers", "github"}}, "'servers' must be a list"},
      {{{"code", "print x"}, {"servers", {1}}}, "'servers' must be a list of strings"},
      {{{"code", "print x"}, {"timeout", "5"}}, "'timeout' must be an integer"},
      {{{"code", "print x"}, {"timeout", 2.5}}, "'timeout' must be an integer"},
      {{{"code", "print x"}, {"timeout", true}}, "'timeout' must be an integer"},
      {{{"code", "print x"}, {"session", 1}}, "'session' must be a string"},
      {{{"code", "print x"}, {"session", "not a name"}}, "'session' is not a name"},
      {{{"code", "print x"}, {"isolation", "inprocess"}}, "Unknown argument 'isolation'"},
  };
  for (const auto& [arguments, expected] : cases) {
    INFO(arguments.dump());
    const Json result = app.run("run_python", arguments);
    CHECK(result["isError"] == true);
    CHECK(result["structuredContent"]["status"] == "validation_error");
    CHECK(result["structuredContent"]["error"] == expected);
    CHECK(text_of(result).starts_with("status: validation_error\n"));
    CHECK(text_of(result).ends_with("\nerror: " + expected));
  }
}

TEST_CASE("code mode: another tool's name is answered as an error of the run") {
  AppDriver app(code_mode());
  const Json result = app.run("read_file", {{"path", "/etc/passwd"}});
  CHECK(result["isError"] == true);
  CHECK(result["structuredContent"]["status"] == "error");
  CHECK(result["structuredContent"]["error"] == "Unknown tool: read_file");
}

TEST_CASE("code mode: a lost session is told of, and so is the state that is gone afterwards") {
  AppDriver app(code_mode());
  const Json lost = app.run("run_python", {{"code", "print x\nlose it crashed"}});
  CHECK(lost["isError"] == true);
  CHECK(lost["structuredContent"]["summary"] == "Sandbox error: the session was lost");
  const Json next = app.run("run_python", {{"code", "print y"}});
  CHECK(next["isError"] == false);
  REQUIRE(next["structuredContent"]["notices"].size() == 1);
  CHECK(contains(text_of(next), "y\nnotice: Session 'main' was lost"));
}

TEST_CASE("code mode: sessions stay, and can be named") {
  AppDriver app(code_mode());
  app.run("run_python", {{"code", "set kept"}});
  app.run("run_python", {{"code", "set other"}, {"session", "b"}});
  CHECK(text_of(app.run("run_python", {{"code", "state"}})) == "kept");
  CHECK(text_of(app.run("run_python", {{"code", "state"}, {"session", "b"}})) == "other");
}

TEST_CASE("code mode: where nothing is to stay each call has a session of its own") {
  Options options = code_mode();
  options.sessions_stay = false;
  options.maximum_sessions = 2;
  AppDriver app(options);
  for (int i = 0; i < 6; ++i) {
    const Json result = app.run("run_python", {{"code", "set kept\nprint x"}});
    CHECK(text_of(result) == "x");
    CHECK(text_of(app.run("run_python", {{"code", "print y\nstate"}})) != "y\nkept");
  }
  const Json cut = app.run("run_python", {{"code", "flood 100000"}});
  CHECK(cut["content"].size() == 2);
  CHECK(contains(cut["content"][1]["text"].get<std::string>(), "MCP_BRIDGE_SESSION_PERSIST"));
}

TEST_CASE("code mode: toon tells all fields, as data and in a fence") {
  AppDriver app(code_mode(OutputMode::Toon));
  const Json result = app.run("run_python", {{"code", "print a\nprint ()"}});
  CHECK(result["structuredContent"] == Json{{"status", "success"},
                                            {"summary", "Success"},
                                            {"exitCode", 0},
                                            {"stdout", {"a", "()"}}});
  CHECK(text_of(result) ==
        "```toon\nstatus: success\nsummary: Success\nexitCode: 0\nstdout[2]: a,()\n```");
  CHECK(text_of(app.run("run_python", {{"code", "set x"}})) ==
        "```toon\nstatus: success\nsummary: Success (no output)\nexitCode: 0\n```");
}

TEST_CASE("code mode: exit codes are those the code asked for") {
  const auto answered = [](const std::string& said) {
    const std::string session = "main";
    embed::CellOutcome outcome;
    outcome.status = embed::Status::Raised;
    outcome.error = embed::CellError{"SystemExit", "the code asked to exit (" + said + "). …", "T"};
    return code_answer_for({session, 1, outcome, nullptr, Isolation::InProcess}, {},
                           OutputMode::Compact, 1000);
  };
  CHECK(answered("0").structured == Json{{"summary", "Success (no output)"}});
  CHECK(!answered("0").is_error);
  CHECK(!answered("False").is_error);
  CHECK(answered("3").structured["exitCode"] == 3);
  CHECK(answered("3").structured["error"] == "Sandbox exited with code 3");
  CHECK(answered("-1").structured["exitCode"] == 255);
  CHECK(answered("'bad'").structured["exitCode"] == 1);
  CHECK(answered("3").is_error);
}

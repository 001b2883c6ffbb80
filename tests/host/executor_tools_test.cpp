#include <algorithm>
#include <cstdlib>

#include "support/catch.h"

#include "app_driver.h"
#include "host/tools/profile.h"
#include "host/tools/script_runs.h"
#include "host/tools/tool_answer.h"

using namespace pyember;
using namespace pyember::host;
using mcp::Json;

namespace {

Json listing(Profile profile) {
  Options options;
  options.profile = profile;
  AppDriver app(options);
  return app.answer(app.request("tools/list", Json::object()))["result"]["tools"];
}

std::string instructions(Profile profile) {
  Options options;
  options.profile = profile;
  AppDriver app(options);
  const Json meta = {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                     {"io.modelcontextprotocol/clientInfo", {{"name", "t"}, {"version", "1"}}},
                     {"io.modelcontextprotocol/clientCapabilities", Json::object()}};
  const Json answer = app.answer(app.request("server/discover", {{"_meta", meta}}));
  return answer["result"]["instructions"].get<std::string>();
}

// As the budgets are defined: bytes / 4 of what a model is given of each tool.
std::size_t tokens(const Json& tools) {
  std::size_t bytes = 0;
  for (const Json& tool : tools) {
    bytes += tool["name"].get<std::string>().size() +
             tool["description"].get<std::string>().size() +
             mcp::to_json_text(tool["inputSchema"]).size();
  }
  return bytes / 4;
}

std::vector<std::string> names(const Json& tools) {
  std::vector<std::string> list;
  for (const Json& tool : tools) list.push_back(tool["name"].get<std::string>());
  std::sort(list.begin(), list.end());
  return list;
}

}  // namespace

TEST_CASE("profiles: scripts lists the script executor's 17 tools within 2,000 tokens") {
  const Json tools = listing(Profile::Scripts);
  CHECK(names(tools) == std::vector<std::string>{
                            "benchmark_script", "cleanup_jobs", "get_job_output", "kill_job",
                            "list_running_jobs", "py_cancel_job", "py_job_status", "py_list_jobs",
                            "py_list_scripts", "py_prune_jobs", "py_run_saved_script",
                            "py_save_script", "py_view_script", "run_script_in_dir",
                            "run_script_in_dir_async", "run_script_with_dependencies",
                            "run_script_with_dependencies_async"});
  CHECK(tokens(tools) <= 2000);
  INFO("tokens: " << tokens(tools));
  CHECK(tokens(tools) > 1000);  // it has been counted
}

TEST_CASE("profiles: full lists everything within 6,000 tokens, code run_python within 250") {
  const Json full = listing(Profile::Full);
  CHECK(tokens(full) <= 6000);
  const std::vector<std::string> all = names(full);
  for (const std::string& name : names(listing(Profile::Scripts))) {
    INFO(name);
    CHECK(std::find(all.begin(), all.end(), name) != all.end());
  }
  for (const char* name : {"run_python", "inspect_session", "put_file", "list_files"}) {
    INFO(name);
    CHECK(std::find(all.begin(), all.end(), name) != all.end());
  }
  const Json code = listing(Profile::Code);
  CHECK(names(code) == std::vector<std::string>{"run_python"});
  CHECK(tokens(code) <= 250);
}

TEST_CASE("profiles: a model is told what it can do with the tools that are listed, in few words") {
  const std::string full = instructions(Profile::Full);
  for (const char* word : {"%pip install", "dependencies", "isolation", "display(", "put_file",
                           "PYEMBER_SESSION_FOLDER", "background"}) {
    INFO(word);
    CHECK(full.find(word) != std::string::npos);
  }
  CHECK(full.size() / 4 < 250);
  const std::string code = instructions(Profile::Code);
  CHECK(code.find("%pip install") != std::string::npos);
  CHECK(code.find("put_file") == std::string::npos);
  const std::string scripts = instructions(Profile::Scripts);
  CHECK(scripts.find("run_script_in_dir") != std::string::npos);
  CHECK(scripts.find("run_python") == std::string::npos);
}

TEST_CASE("profiles: every executor tool has a schema of its answer, tags and annotations") {
  for (const Json& tool : listing(Profile::Scripts)) {
    INFO(tool["name"].get<std::string>());
    CHECK(tool["outputSchema"]["type"] == "object");
    CHECK(tool["annotations"].contains("readOnlyHint"));
    CHECK(!tool["_meta"]["fastmcp"]["tags"].empty());
    CHECK(tool["inputSchema"]["properties"].contains("markdown_output"));
  }
}

TEST_CASE("profiles: chosen by name, or by the name the program was started under") {
  CHECK(parse_profile("both") == Profile::Full);
  CHECK(parse_profile("scripts") == Profile::Scripts);
  CHECK(parse_profile("code") == Profile::Code);
  CHECK(parse_profile("none") == std::nullopt);
  CHECK(profile_of_program("/usr/bin/python-executor-mcp") == Profile::Scripts);
  CHECK(profile_of_program("python-mcp-server") == Profile::Scripts);
  CHECK(profile_of_program("/opt/pyember") == Profile::Full);
}

TEST_CASE("aliases: a tool is called by its other spelling, which is never listed") {
  Options options;
  options.profile = Profile::Scripts;
  AppDriver app(options);
  const Json refused = app.run("py_run_script_in_dir", {{"directory", "/"}});
  CHECK(refused["isError"] == true);
  CHECK(refused["content"][0]["text"].get<std::string>().find("provide exactly one") !=
        std::string::npos);
  CHECK(app.run("run_python", {{"code", "1"}}).is_null());  // not in this profile
}

TEST_CASE("errors: class, cause and fix, in markdown or plain, and null counts as left out") {
  Options options;
  options.profile = Profile::Scripts;
  AppDriver app(options);
  Json arguments = {{"directory", "/no/such/folder"},
                    {"script_content", "print(1)"},
                    {"script_path", nullptr},
                    {"env_vars", nullptr}};
  const Json markdown = app.run("run_script_in_dir", arguments);
  const std::string text = markdown["content"][0]["text"].get<std::string>();
  CHECK(markdown["isError"] == true);
  CHECK(text.starts_with("## run_script_in_dir — error\n"));
  CHECK(text.find("Error calling tool 'run_script_in_dir': FileNotFoundError: ") !=
        std::string::npos);
  CHECK(text.find("/no/such/folder") != std::string::npos);
  CHECK(text.find("\n**Fix:** ") != std::string::npos);
  arguments["markdown_output"] = false;
  const Json plain = app.run("run_script_in_dir", arguments);
  CHECK(plain["content"][0]["text"].get<std::string>().starts_with(
      "Error calling tool 'run_script_in_dir': FileNotFoundError: "));
}

TEST_CASE("fault_of: the first line or sentence is the cause, the rest the fix") {
  const ToolFault lines = fault_of({ErrorCode::NotFound, "a is missing. Really.\nLook elsewhere."});
  CHECK(lines.type == "FileNotFoundError");
  CHECK(lines.cause == "a is missing. Really.");
  CHECK(lines.fix == "Look elsewhere.");
  const ToolFault sentences = fault_of({ErrorCode::Unavailable, "No uv 0.5 here. Install it."});
  CHECK(sentences.type == "OSError");
  CHECK(sentences.cause == "No uv 0.5 here.");
  CHECK(sentences.fix == "Install it.");
  const ToolFault named =
      fault_of({ErrorCode::Internal, "ModuleNotFoundError: no dotenv. Get it."});
  CHECK(named.type == "ModuleNotFoundError");
  CHECK(named.cause == "no dotenv.");
}

TEST_CASE("smart async: the budget is read anew each time, and nonsense means the default") {
  const char* name = "SMART_ASYNC_TIMEOUT_SECONDS";
  unsetenv(name);
  CHECK(smart_async_budget() == 20.0);
  setenv(name, "1.5", 1);
  CHECK(smart_async_budget() == 1.5);
  setenv(name, "0", 1);
  CHECK(smart_async_budget() == 0.0);
  for (const char* nonsense : {"soon", "5s", "-1", "nan"}) {
    setenv(name, nonsense, 1);
    CHECK(smart_async_budget() == 20.0);
  }
  unsetenv(name);
}

#include "host/prompts/host_prompts.h"

#include <algorithm>
#include <optional>
#include <set>
#include <variant>

#include "host/prompts/prompt_texts.h"
#include "mcp/tool.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

namespace {

// What a prompt has become.
struct Answered : mcp::ToolCallSink {
  std::optional<std::variant<mcp::ToolResult, mcp::RpcError>> outcome;

  void call_progress(double, std::optional<double>, std::string_view) override {}
  void call_log(mcp::LogLevel, std::string_view, const mcp::Json&) override {}
  void call_completed(mcp::ToolResult result) override { outcome = std::move(result); }
  void call_failed(mcp::RpcError error) override { outcome = std::move(error); }

  std::string text(std::size_t message = 0) const {
    return std::get<mcp::ToolResult>(*outcome)
        .content.at(message)["content"]["text"]
        .get<std::string>();
  }
  std::string error() const { return std::get<mcp::RpcError>(*outcome).message; }
};

PromptSources sources() {
  PromptSources made;
  made.sessions = [] { return std::vector<std::string>{"main", "Marketing", "trial"}; };
  made.jobs = [] { return std::vector<std::string>{"b2", "a1"}; };
  made.scripts = [] { return std::vector<std::string>{"clean.py", "report.py"}; };
  made.script_path = [](const std::string& name) {
    return name == "report.py" ? std::string("/p/scripts/report.py") : std::string();
  };
  made.job = [](const std::string& id) -> std::optional<JobReport> {
    if (id != "a1") return std::nullopt;
    return JobReport{"train",           "failed",    "out of memory",
                     "job-stream://a1", "epoch 1\n", "Killed\n"};
  };
  made.templates = [] {
    mcp::ResourceTemplate output;
    output.uri_template = "session-output://{session}/{cell}/{stream}{?offset,limit}";
    mcp::ResourceTemplate file;
    file.uri_template = "session-file://{session}/{+path}{?offset,limit}";
    return std::vector<mcp::ResourceTemplate>{output, file};
  };
  return made;
}

Answered get(HostPrompts& prompts, std::string name, mcp::PromptArguments arguments) {
  Answered answered;
  const auto call =
      std::make_shared<mcp::ToolCall>(mcp::Json::object(), mcp::ToolCall::Options{}, answered);
  prompts.get(std::make_shared<mcp::PromptCall>(call, std::move(name), std::move(arguments)));
  REQUIRE(answered.outcome);
  return answered;
}

Result<mcp::Completion> complete(HostPrompts& prompts, mcp::CompletionRequest::About about,
                                 std::string reference, std::string argument, std::string value) {
  std::optional<Result<mcp::Completion>> found;
  prompts.complete({about, std::move(reference), std::move(argument), std::move(value), {}},
                   [&found](Result<mcp::Completion> given) { found = std::move(given); });
  REQUIRE(found);
  return std::move(*found);
}

using enum mcp::CompletionRequest::About;

std::vector<std::string> names(HostPrompts& prompts) {
  std::vector<std::string> all;
  for (const mcp::Prompt& each : prompts.list("", 100)) all.push_back(each.name);
  return all;
}

}  // namespace

TEST_CASE("Prompts: each profile has those it has the tools for, sorted, page by page") {
  HostPrompts full(Profile::Full, sources());
  HostPrompts scripts(Profile::Scripts, sources());
  HostPrompts code(Profile::Code, sources());
  CHECK(names(full) == std::vector<std::string>{"compare_scripts", "connect_tools", "explore_data",
                                                "keep_work", "look_into_job", "profile_script"});
  CHECK(names(scripts) == std::vector<std::string>{"look_into_job", "profile_script"});
  CHECK(names(code) == std::vector<std::string>{"connect_tools", "explore_data"});
  const auto page = full.list("connect_tools", 2);
  REQUIRE(page.size() == 2);
  CHECK(page[0].name == "explore_data");
  CHECK(full.list("profile_script", 2).empty());
  CHECK_FALSE(scripts.find("explore_data"));
  CHECK_FALSE(full.find("explore"));
}

TEST_CASE("Prompts: every one is described, and its text holds what was typed") {
  HostPrompts prompts(Profile::Full, sources());
  for (const mcp::Prompt& prompt : prompts.list("", 100)) {
    INFO(prompt.name);
    CHECK(!prompt.title.empty());
    CHECK(!prompt.description.empty());
    mcp::PromptArguments arguments;
    for (const mcp::PromptArgument& each : prompt.arguments) {
      CHECK(!each.description.empty());
      arguments[each.name] = each.name == "job_id"   ? "a1"
                             : each.name == "format" ? "notebook"
                                                     : "<" + each.name + ">";
    }
    const Answered answered = get(prompts, prompt.name, arguments);
    for (const auto& [name, value] : arguments)
      CHECK(answered.text().find(value) != std::string::npos);
    arguments.clear();
    for (const mcp::PromptArgument& each : prompt.arguments) {
      if (each.required) arguments[each.name] = each.name == "job_id" ? "a1" : "x";
    }
    CHECK(get(prompts, prompt.name, arguments).text().find("{}") == std::string::npos);
  }
}

TEST_CASE("Prompts: a saved script is named by its path") {
  HostPrompts prompts(Profile::Full, sources());
  const Answered saved = get(prompts, "profile_script", {{"script", "report.py"}});
  CHECK(saved.text().find("script_path=\"/p/scripts/report.py\"") != std::string::npos);
  const Answered given =
      get(prompts, "compare_scripts", {{"script", "report.py"}, {"other", "3.14"}});
  CHECK(given.text().find("python_version=\"3.14\"") != std::string::npos);
  CHECK(given.text().find("script_path=\"3.14\"") == std::string::npos);
}

TEST_CASE(
    "Prompts: a job's output is attached; one that nobody knows, or a bad format, is refused") {
  HostPrompts prompts(Profile::Scripts, sources());
  const Answered known = get(prompts, "look_into_job", {{"job_id", "a1"}});
  CHECK(known.text().find("failed: out of memory") != std::string::npos);
  const auto& result = std::get<mcp::ToolResult>(*known.outcome);
  const mcp::Json& resource = result.content.at(1)["content"]["resource"];
  CHECK(resource["uri"] == "job-stream://a1");
  CHECK(resource["text"] == "---STDOUT---\nepoch 1\n\n---STDERR---\nKilled\n");
  CHECK(result.structured ==
        "How a background job stands, or why it failed, with the end of its "
        "output.");
  CHECK(get(prompts, "look_into_job", {{"job_id", "zz"}}).error().find("py_list_jobs") !=
        std::string::npos);
  HostPrompts full(Profile::Full, sources());
  CHECK(get(full, "keep_work", {{"format", "pdf"}}).error().find("script, notebook or pytest") !=
        std::string::npos);
}

TEST_CASE("Completion: arguments of prompts and variables of templates, by their beginning") {
  HostPrompts prompts(Profile::Full, sources());
  const auto values = [&](auto about, const char* reference, const char* argument,
                          const char* value) {
    const auto found = complete(prompts, about, reference, argument, value);
    REQUIRE(found.ok());
    CHECK(found.value().total == found.value().values.size());
    return found.value().values;
  };
  using Values = std::vector<std::string>;
  const char* output = "session-output://{session}/{cell}/{stream}{?offset,limit}";
  CHECK(values(Prompt, "explore_data", "session", "ma") == Values{"main", "Marketing"});
  CHECK(values(Prompt, "look_into_job", "job_id", "") == Values{"b2", "a1"});
  CHECK(values(Prompt, "profile_script", "python_version", "3.1") ==
        Values{"3.14", "3.13", "3.12", "3.11", "3.10"});
  CHECK(values(Prompt, "compare_scripts", "other", "r") == Values{"report.py"});
  CHECK(values(Prompt, "compare_scripts", "other", "3.14") == Values{"3.14"});
  CHECK(values(Prompt, "keep_work", "format", "n") == Values{"notebook"});
  CHECK(values(Prompt, "explore_data", "question", "why").empty());
  CHECK(values(Resource, output, "session", "t") == Values{"trial"});
  CHECK(values(Resource, output, "stream", "std") == Values{"stdout", "stderr"});
  CHECK(values(Resource, output, "offset", "1").empty());
  CHECK(values(Resource, "session-file://{session}/{+path}{?offset,limit}", "path", "").empty());
}

TEST_CASE("Completion: what does not exist is refused") {
  HostPrompts prompts(Profile::Scripts, sources());
  for (const auto& [about, reference, argument] :
       {std::tuple{Prompt, "explore_data", "session"}, std::tuple{Prompt, "nothing", "session"},
        std::tuple{Prompt, "profile_script", "session"},
        std::tuple{Resource, "session-output://main/1/stdout", "session"},
        std::tuple{Resource, "session-file://{session}/{+path}{?offset,limit}", "limits"}}) {
    INFO(reference << " " << argument);
    const auto found = complete(prompts, about, reference, argument, "");
    REQUIRE_FALSE(found.ok());
    CHECK(found.error().code == ErrorCode::InvalidArgument);
  }
  HostPrompts bare(Profile::Full, {});
  CHECK(complete(bare, Prompt, "explore_data", "session", "").value().values.empty());
  CHECK_FALSE(complete(bare, Resource, "x://{y}", "y", "").ok());
}

#include "host/upstream/policy/policy.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "support/catch.h"

using namespace pyember;
using host::Policy;
using host::PolicyAction;
using host::UpstreamSubject;
using mcp::Json;

namespace {

Policy policy(const std::string& text) {
  Result<Policy> read = Policy::parse(text, "policy.json");
  INFO((read.ok() ? "" : read.error().message));
  REQUIRE(read.ok());
  return read.take();
}

PolicyAction tool(const Policy& policy, const std::string& server, const std::string& name,
                  const Json& annotations = nullptr) {
  return policy.decide(server, server, UpstreamSubject::Tool, name, annotations).action;
}

std::string mistake(const std::string& text) {
  const Result<Policy> read = Policy::parse(text, "policy.json");
  REQUIRE_FALSE(read.ok());
  return read.error().message;
}

}  // namespace

TEST_CASE("Policy: without a file everything is allowed") {
  const Policy empty;
  CHECK(tool(empty, "github", "delete_repo") == PolicyAction::Allow);
  CHECK(empty.decide("a", "a", UpstreamSubject::Tool, "b", nullptr).rule.empty());
  CHECK(empty.calls_per_run() == limits::kUpstreamCallsPerRun);
  CHECK(empty.tool_changes("a", "a") == host::ToolChanges::Ask);
}

TEST_CASE("Policy: a rule for a tool goes before its server's default, that before the file's") {
  const Policy read = policy(R"({"default":"deny","servers":{
    "github":{"default":"ask","tools":{"list_*":"allow","delete_*":"deny"}},"time":"allow"}})");
  CHECK(tool(read, "github", "list_issues") == PolicyAction::Allow);
  CHECK(tool(read, "github", "delete_repo") == PolicyAction::Deny);
  CHECK(tool(read, "github", "create_issue") == PolicyAction::Ask);
  CHECK(tool(read, "time", "now") == PolicyAction::Allow);
  CHECK(tool(read, "slack", "post") == PolicyAction::Deny);
}

TEST_CASE("Policy: the more exact pattern counts, of equal ones the stricter") {
  const Policy read = policy(R"({"servers":{"github":{"tools":{
    "*":"deny","get_*":"ask","get_issue":"allow","?et_issues":"ask","get_issue?":"allow"}}}})");
  CHECK(tool(read, "github", "anything") == PolicyAction::Deny);
  CHECK(tool(read, "github", "get_pull") == PolicyAction::Ask);
  CHECK(tool(read, "github", "get_issue") == PolicyAction::Allow);
  CHECK(tool(read, "github", "get_issues") == PolicyAction::Ask);
}

TEST_CASE("Policy: a tool's rule for all servers goes before the default of one") {
  const Policy read = policy(R"({"servers":{"*":{"tools":{"delete_*":"deny"},"default":"ask"},
    "github":{"default":"allow","tools":{"delete_draft":"allow"}}}})");
  CHECK(tool(read, "github", "delete_repo") == PolicyAction::Deny);
  CHECK(tool(read, "github", "delete_draft") == PolicyAction::Allow);
  CHECK(tool(read, "github", "get") == PolicyAction::Allow);
  CHECK(tool(read, "slack", "get") == PolicyAction::Ask);
}

TEST_CASE("Policy: names are known as the server has them and as code has them") {
  const Policy read = policy(R"({"servers":{"my_server":{"tools":{"delete_*":"deny"}},
    "Other Server":{"tools":{"Drop-Table":"deny"}}}})");
  CHECK(
      read.decide("My-Server", "my_server", UpstreamSubject::Tool, "delete-repo", nullptr).action ==
      PolicyAction::Deny);
  CHECK(read.decide("Other Server", "other_server", UpstreamSubject::Tool, "drop_table", nullptr)
            .action == PolicyAction::Deny);
  CHECK(tool(read, "my_server", "DeleteRepo") == PolicyAction::Allow);
}

TEST_CASE("Policy: ask-writes asks unless the tool says that it only reads") {
  const Policy read = policy(R"({"default":"ask-writes"})");
  CHECK(tool(read, "a", "b") == PolicyAction::Ask);
  CHECK(tool(read, "a", "b", {{"readOnlyHint", true}}) == PolicyAction::Allow);
  CHECK(tool(read, "a", "b", {{"readOnlyHint", "true"}}) == PolicyAction::Ask);
  CHECK(tool(read, "a", "b", Json::array()) == PolicyAction::Ask);
  CHECK(read.decide("a", "a", UpstreamSubject::Resource, "x://y", nullptr).action ==
        PolicyAction::Allow);
}

TEST_CASE("Policy: resources and prompts have rules of their own, else their server's default") {
  const Policy read = policy(R"({"servers":{"a":{"default":"deny","resources":"allow"},
    "b":{"prompts":"ask","tools":{"*":"deny"}}}})");
  const auto decide = [&read](const char* server, UpstreamSubject subject) {
    return read.decide(server, server, subject, "x", nullptr);
  };
  CHECK(decide("a", UpstreamSubject::Resource).action == PolicyAction::Allow);
  CHECK(decide("a", UpstreamSubject::Resource).rule == "servers.a.resources");
  CHECK(decide("a", UpstreamSubject::Prompt).action == PolicyAction::Deny);
  CHECK(decide("a", UpstreamSubject::Prompt).rule == "servers.a.default");
  CHECK(decide("b", UpstreamSubject::Prompt).action == PolicyAction::Ask);
  CHECK(decide("b", UpstreamSubject::Resource).action == PolicyAction::Allow);
}

TEST_CASE("Policy: a decision names its rule") {
  const Policy read = policy(R"({"servers":{"github":{"tools":{"delete_*":"deny"}}}})");
  CHECK(read.decide("github", "github", UpstreamSubject::Tool, "delete_repo", nullptr).rule ==
        R"(servers.github.tools["delete_*"])");
}

TEST_CASE("Policy: what is not understood is an error that names the place") {
  CHECK_THAT(mistake("{"), Catch::Contains("policy.json"));
  CHECK_THAT(mistake("[]"), Catch::Contains("no JSON object"));
  CHECK_THAT(mistake(R"({"defualt":"deny"})"), Catch::Contains("defualt"));
  CHECK_THAT(mistake(R"({"default":"denny"})"), Catch::Contains("default is"));
  CHECK_THAT(mistake(R"({"servers":[]})"), Catch::Contains("servers"));
  CHECK_THAT(mistake(R"({"servers":{"a":{"tool":{}}}})"),
             Catch::Contains("servers.a has the member 'tool'"));
  CHECK_THAT(mistake(R"({"servers":{"a":{"tools":{"x":true}}}})"),
             Catch::Contains(R"(servers.a.tools["x"])"));
  CHECK_THAT(mistake(R"({"max_calls_per_run":0})"), Catch::Contains("max_calls_per_run"));
  CHECK_THAT(mistake(R"({"max_calls_per_run":1.5})"), Catch::Contains("max_calls_per_run"));
  CHECK_THAT(mistake(R"({"tool_changes":"deny"})"), Catch::Contains("tool_changes"));
}

TEST_CASE("Policy: what is said twice is refused, since one of the two would be lost") {
  CHECK_THAT(mistake(R"({"servers":{"a":{"tools":{"x":"deny"}},"a":{"tools":{"y":"deny"}}}})"),
             Catch::Contains("'a' twice"));
  CHECK_THAT(mistake(R"({"default":"deny", /* no: */ "default":"allow",})"),
             Catch::Contains("'default' twice"));
  policy(R"({"servers":{"a":{"default":"ask","tools":{"default":"deny"}},"b":{"default":"ask"}}})");
}

TEST_CASE("Policy: the number of calls, what changes of tools do, comments") {
  const Policy read = policy(R"({
    // as the team agreed
    "max_calls_per_run": 5, "tool_changes":"allow",
    "servers":{"a":{"tool_changes":"ask"}}, })");
  CHECK(read.calls_per_run() == 5);
  CHECK(read.tool_changes("a", "a") == host::ToolChanges::Ask);
  CHECK(read.tool_changes("b", "b") == host::ToolChanges::Allow);
}

TEST_CASE("Policy: names of servers that are not configured are told") {
  const Policy read = policy(R"({"servers":{"githb":"deny","*":"ask","Time":"allow"}})");
  CHECK(read.unknown_servers({"github", "time"}) == std::vector<std::string>{"githb"});
}

TEST_CASE("Policy: patterns made to be slow are not") {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  const Policy read = policy(R"({"servers":{"s":{"tools":{")" + pattern + R"(b":"deny"}}}})");
  CHECK(tool(read, "s", std::string(2000, 'a')) == PolicyAction::Allow);
}

TEST_CASE("Policy: a file that is missing is no policy, unless it was asked for") {
  const std::string path = std::filesystem::temp_directory_path() / "pyember-no-such-policy.json";
  CHECK(Policy::load(path, Policy::Wanted::IfThere).ok());
  CHECK(Policy::load("", Policy::Wanted::IfThere).ok());
  CHECK_FALSE(Policy::load(path, Policy::Wanted::AskedFor).ok());
  CHECK_FALSE(Policy::load("/", Policy::Wanted::IfThere).ok());
}

TEST_CASE("Policy: a file is read, and one that is broken stops everything") {
  char folder[] = "/tmp/pyember-policy-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  const std::string path = std::string(folder) + "/policy.json";
  std::ofstream(path) << R"({"default":"ask"})";
  const Result<Policy> read = Policy::load(path, Policy::Wanted::IfThere);
  REQUIRE(read.ok());
  CHECK(read.value().source() == path);
  CHECK(tool(read.value(), "a", "b") == PolicyAction::Ask);
  std::ofstream(path) << R"({"default":)";
  CHECK_FALSE(Policy::load(path, Policy::Wanted::IfThere).ok());
  std::ofstream(path) << "";
  CHECK_FALSE(Policy::load(path, Policy::Wanted::IfThere).ok());
  std::filesystem::remove_all(folder);
}

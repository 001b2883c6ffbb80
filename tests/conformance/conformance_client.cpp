// pyember's side of a client as the official conformance suites run it: the address of a server is
// the last argument, what is to be done with it comes in variables MCP_CONFORMANCE_*. It uses what
// the server offers, and fails when anything of that fails. See docs/conformance.md.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "conformance/upstream_user.h"
#include "host/logging.h"
#include "mcp/json_members.h"
#include "mcp/protocol.h"

using namespace pyember;
using mcp::Json;
using mcp::text_in;

namespace {

constexpr unsigned kDeadlineSeconds = 60;  // twice what the suites wait

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

Json made_up_value(const Json& schema) {
  const std::string type = text_in(schema, "type");
  if (type == "integer" || type == "number") return 2;
  if (type == "boolean") return true;
  if (type == "array") return Json::array();
  if (type == "object") return Json::object();
  return "something";
}

Json made_up_arguments(const Json& tool) {
  Json arguments = Json::object();
  const Json schema = tool.value("inputSchema", Json::object());
  const Json fields = schema.value("properties", Json::object());
  for (const std::string& name : mcp::texts_in(schema, "required")) {
    arguments[name] = made_up_value(fields.value(name, Json::object()));
  }
  return arguments;
}

class Run {
 public:
  Run(test::UpstreamUser& user, std::string scenario, Json context)
      : user_(user), scenario_(std::move(scenario)), context_(std::move(context)) {}

  bool go() {
    const Json tools = listed("tools/list", "tools");
    if (scenario_ == "http-custom-headers") {
      for (const Json& call : context_.value("toolCalls", Json::array())) {
        this->call(text_in(call, "name"), call["arguments"]);
      }
      return well_;
    }
    if (scenario_ == "json-schema-2020-12-preservation") return echo_schema(tools);
    if (scenario_ == "sep-2322-client-request-state") user_.when_asked("test_mrtr_unrelated");
    for (const Json& tool : tools) call(text_in(tool, "name"), made_up_arguments(tool));
    if (user_.offers("resources")) {
      for (const Json& each : listed("resources/list", "resources")) {
        ask("resources/read", Json{{"uri", each["uri"]}});
      }
    }
    if (user_.offers("prompts")) {
      for (const Json& each : listed("prompts/list", "prompts")) {
        ask("prompts/get", Json{{"name", each["name"]}});
      }
    }
    return well_;
  }

 private:
  // The schema of one tool, as it has arrived here, goes back as another one's argument.
  bool echo_schema(const Json& tools) {
    Json received;
    for (const Json& tool : tools) {
      if (tool["name"] != "json_schema_echo") received = tool["inputSchema"];
    }
    call("json_schema_echo", Json{{"schema", received}});
    return well_;
  }

  Json listed(const std::string& method, const std::string& member) {
    const Result<Json> entries = user_.list(method, member);
    if (entries) return entries.value();
    complain(method, entries.error().message);
    return Json::array();
  }
  void call(const std::string& tool, const Json& arguments) {
    ask("tools/call", Json{{"name", tool}, {"arguments", arguments}});
  }
  void ask(const std::string& method, const Json& params) {
    const Result<Json> answer = user_.request(method, params);
    if (!answer) complain(method, answer.error().message);
  }
  void complain(const std::string& method, const std::string& why) {
    std::cerr << method << ": " << why << "\n";
    well_ = false;
  }

  test::UpstreamUser& user_;
  const std::string scenario_;
  const Json context_;
  bool well_ = true;
};

bool run(const std::string& url, const std::string& token_folder) {
  const std::string context_text = variable("MCP_CONFORMANCE_CONTEXT");
  Result<Json> context = mcp::parse_json(context_text.empty() ? "{}" : context_text);
  if (!context) {
    std::cerr << "MCP_CONFORMANCE_CONTEXT is no JSON: " << context.error().message << "\n";
    return false;
  }
  const auto version = mcp::parse_version(variable("MCP_CONFORMANCE_PROTOCOL_VERSION"));
  test::UpstreamUser user({.url = url,
                           .try_handshake = version && !mcp::is_modern(*version),
                           .client_id = text_in(context.value(), "client_id"),
                           .client_secret = text_in(context.value(), "client_secret"),
                           .token_folder = token_folder});
  const bool well = Run(user, variable("MCP_CONFORMANCE_SCENARIO"), context.take()).go();
  user.end();
  return well;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::cerr << "usage: conformance_client URL\n";
    return 2;
  }
  alarm(kDeadlineSeconds);
  host::log_to_stderr("warn");
  char folder[] = "/tmp/pyember-conformance-XXXXXX";
  if (mkdtemp(folder) == nullptr) {
    perror(folder);
    return 2;
  }
  const bool well = run(arguments[count - 1], folder);
  std::filesystem::remove_all(folder);
  return well ? 0 : 1;
}

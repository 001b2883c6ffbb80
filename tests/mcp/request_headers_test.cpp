#include "mcp/request_headers.h"

#include <map>
#include <string>

#include "mcp/connection.h"
#include "mcp/server.h"
#include "support/catch.h"
#include "support/scripted_server.h"

// What HTTP's headers repeat of a message, held against it.
using namespace pyember;
using Catch::Contains;
using mcp::Json;

namespace {

// The headers of a request, to be changed by the test.
struct Given {
  std::optional<std::string> version = "2026-07-28";
  std::optional<std::string> method = "tools/call";
  std::optional<std::string> name = "run";
  std::map<std::string, std::string> parameters;

  mcp::RequestHeaders headers() const {
    return {version, method, name,
            [this](std::string_view wanted) -> std::optional<std::string_view> {
              const auto found = parameters.find(std::string(wanted));
              if (found == parameters.end()) return std::nullopt;
              return found->second;
            }};
  }
};

const Json kSchema = Json::parse(R"({
  "type": "object",
  "properties": {
    "session": {"type": "string", "x-mcp-header": "Session"},
    "count": {"type": "integer", "x-mcp-header": "Count"},
    "deep": {"type": "object", "properties": {"loud": {"type": "boolean", "x-mcp-header": "Loud"}}}
  }})");

Json request(const std::string& method, Json params, Json meta = {}) {
  if (meta.is_null()) {
    meta = {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
            {"io.modelcontextprotocol/clientCapabilities", Json::object()}};
  }
  if (!meta.empty()) params["_meta"] = meta;
  return {{"jsonrpc", "2.0"}, {"id", 7}, {"method", method}, {"params", params}};
}

// A server with a tool `run` of that schema, which says how often it ran.
class Endpoint {
 public:
  Endpoint() {
    mcp::Tool tool;
    tool.name = "run";
    tool.description = "Runs.";
    tool.input_schema = kSchema;
    tool.handler = [](const std::shared_ptr<mcp::ToolCall>& call) {
      call->complete(mcp::tool_result("ran", call->arguments()));
    };
    catalog_.add(std::move(tool));
  }

  // The code of the error, 0 for a result.
  int post(const Json& message, const Given& given) {
    const mcp::RequestHeaders headers = given.headers();
    const std::string text = mcp::to_json_text(message);
    mcp::Connection connection(server_, output_);
    connection.receive_message(mcp::parse_json(text), text, &headers);
    answer = Json::parse(output_.take());
    REQUIRE(output_.lines.empty());
    CHECK(answer["id"] == 7);
    return answer.contains("error") ? answer["error"]["code"].get<int>() : 0;
  }
  int call(Json arguments, const Given& given) {
    return post(request("tools/call", {{"name", "run"}, {"arguments", std::move(arguments)}}),
                given);
  }

  Json answer;

 private:
  mcp::ToolCatalog catalog_;
  test::ScriptedResources resources_;
  test::CapturedOutput output_;
  mcp::Server server_{{"s", "", "1"}, catalog_, resources_};
};

constexpr int kMismatch = -32020;

}  // namespace

TEST_CASE("Request headers: what agrees is served") {
  Endpoint endpoint;
  CHECK(endpoint.call(Json::object(), {}) == 0);
  CHECK(endpoint.answer["result"]["resultType"] == "complete");
  Given list;
  list.method = "tools/list";
  list.name.reset();
  CHECK(endpoint.post(request("tools/list", Json::object()), list) == 0);
}

TEST_CASE("Request headers: one that is missing or says something else is refused") {
  Endpoint endpoint;
  Given given;
  SECTION("no version") { given.version.reset(); }
  SECTION("another version") { given.version = "2025-11-25"; }
  SECTION("an empty version") { given.version = ""; }
  SECTION("no method") { given.method.reset(); }
  SECTION("another method") { given.method = "tools/list"; }
  SECTION("the method in capitals") { given.method = "Tools/Call"; }
  SECTION("no name") { given.name.reset(); }
  SECTION("another name") { given.name = "walk"; }
  SECTION("the name twice") { given.name = "run, run"; }
  SECTION("a name that is no base64") { given.name = "=?base64?cnV?="; }
  SECTION("a name that is no UTF-8") { given.name = "=?base64?/w==?="; }
  CHECK(endpoint.call(Json::object(), given) == kMismatch);
}

TEST_CASE("Request headers: a value may be wrapped in base64") {
  Endpoint endpoint;
  Given given;
  given.name = "=?base64?cnVu?=";
  CHECK(endpoint.call(Json::object(), given) == 0);
  given.name = "=?BASE64?cnVu?=";  // not the mark: itself
  CHECK(endpoint.call(Json::object(), given) == kMismatch);
  CHECK(mcp::decoded_header("=?base64?"
                            "?=") == "");
  CHECK(mcp::decoded_header("=?base64?=") == "=?base64?=");
  CHECK(mcp::decoded_header("=?base64?w6Q=?=") == "ä");
  CHECK(mcp::decoded_header("plain") == "plain");
}

TEST_CASE("Request headers: the checks come in the order of the protocol") {
  Endpoint endpoint;
  const Json no_meta = Json::object();
  const Json old_meta = {{"io.modelcontextprotocol/protocolVersion", "1999-01-01"},
                         {"io.modelcontextprotocol/clientCapabilities", Json::object()}};
  Given given;
  // Everything is wrong; what comes first is mended, again and again.
  given.version.reset();
  given.method = "wrong";
  given.name = "wrong";
  CHECK(endpoint.post(request("no/method", Json::object(), no_meta), given) == kMismatch);
  CHECK_THAT(endpoint.answer["error"]["message"].get<std::string>(),
             Contains("MCP-Protocol-Version"));
  given.version = "2025-01-01";
  CHECK(endpoint.post(request("no/method", Json::object(), no_meta), given) == -32602);
  CHECK(endpoint.post(request("no/method", Json::object(), old_meta), given) == kMismatch);
  given.version = "1999-01-01";
  CHECK(endpoint.post(request("no/method", Json::object(), old_meta), given) == -32022);
  given.version = "2026-07-28";
  CHECK(endpoint.post(request("no/method", Json::object()), given) == kMismatch);
  CHECK_THAT(endpoint.answer["error"]["message"].get<std::string>(), Contains("Mcp-Method"));
  given.method = "no/method";
  CHECK(endpoint.post(request("no/method", Json::object()), given) == -32601);
  given.method = "tools/call";
  CHECK(endpoint.call("no object", given) == kMismatch);
  CHECK_THAT(endpoint.answer["error"]["message"].get<std::string>(), Contains("Mcp-Name"));
  given.name = "run";
  CHECK(endpoint.call("no object", given) == -32602);
}

TEST_CASE("Request headers: over HTTP methods of the handshake era are unknown") {
  Endpoint endpoint;
  const auto method = GENERATE(as<std::string>{}, "initialize", "ping", "logging/setLevel",
                               "resources/subscribe", "resources/unsubscribe");
  Given given;
  given.method = method;
  given.name.reset();
  CHECK(endpoint.post(request(method, Json::object()), given) == -32601);
}

TEST_CASE("Request headers: a message in a modern exchange is modern, whatever it carries") {
  Endpoint endpoint;
  CHECK(endpoint.post(request("tools/call", {{"name", "run"}}, Json::object()), {}) == -32602);
}

TEST_CASE("Request headers: each method's name is another member") {
  const Json params = {{"name", "n"}, {"uri", "u"}, {"taskId", "t"}};
  const auto fits = [&params](const char* method, const char* name) {
    Given given;
    given.name = name;
    return !mcp::check_name(given.headers(), method, params);
  };
  CHECK(fits("tools/call", "n"));
  CHECK(fits("prompts/get", "n"));
  CHECK(fits("resources/read", "u"));
  CHECK(fits("tasks/get", "t"));
  CHECK(fits("tasks/update", "t"));
  CHECK(fits("tasks/cancel", "t"));
  CHECK_FALSE(fits("resources/read", "n"));
  CHECK(fits("tools/list", "anything"));
  // What the params lack is told as such, by the method.
  CHECK_FALSE(mcp::check_name(Given().headers(), "tools/call", {{"name", 7}}));
}

TEST_CASE("Request headers: parameters agree by their values") {
  Endpoint endpoint;
  const Json arguments = {{"session", "main"}, {"count", 42}, {"deep", {{"loud", true}}}};
  Given given;
  given.parameters = {{"Session", "main"}, {"Count", "42"}, {"Loud", "true"}};
  CHECK(endpoint.call(arguments, given) == 0);
  SECTION("a number in another way") {
    for (const char* text : {"42.0", "4.2e1", "=?base64?NDI=?="}) {
      given.parameters["Count"] = text;
      CHECK(endpoint.call(arguments, given) == 0);
    }
  }
  SECTION("a number that is another, or none") {
    for (const char* text : {"43", "042", "42.5", "", "NaN", "1e400", "true", "\"42\"", "[42]"}) {
      CAPTURE(text);
      given.parameters["Count"] = text;
      CHECK(endpoint.call(arguments, given) == kMismatch);
    }
  }
  SECTION("numbers that are doubles alike are not the same") {
    Json large = arguments;
    large["count"] = 9007199254740993;
    given.parameters["Count"] = "9007199254740993";
    CHECK(endpoint.call(large, given) == 0);
    for (const char* text : {"9007199254740992", "9007199254740993.0"}) {
      given.parameters["Count"] = text;
      CHECK(endpoint.call(large, given) == kMismatch);
    }
  }
  SECTION("a text is compared as it is") {
    for (const char* text : {"Main", "main ", "", "=?base64?bWFpbg?="}) {
      given.parameters["Session"] = text;
      CHECK(endpoint.call(arguments, given) == kMismatch);
    }
    given.parameters["Session"] = "=?base64?bWFpbg==?=";
    CHECK(endpoint.call(arguments, given) == 0);
  }
  SECTION("true is not 1") {
    given.parameters["Loud"] = "1";
    CHECK(endpoint.call(arguments, given) == kMismatch);
  }
  SECTION("others are nobody's affair") {
    given.parameters["Else"] = "anything";
    CHECK(endpoint.call(arguments, given) == 0);
  }
}

TEST_CASE("Request headers: a parameter stands in both or in none") {
  Endpoint endpoint;
  Given given;
  CHECK(endpoint.call({{"session", "main"}}, given) == kMismatch);
  CHECK_THAT(endpoint.answer["error"]["message"].get<std::string>(), Contains("Mcp-Param-Session"));
  given.parameters["Session"] = "main";
  CHECK(endpoint.call({{"session", "main"}}, given) == 0);
  CHECK(endpoint.call(Json::object(), given) == kMismatch);
  CHECK(endpoint.call({{"session", nullptr}}, given) == kMismatch);
  CHECK(endpoint.call({{"session", {1, 2}}}, given) == kMismatch);
}

TEST_CASE("Request headers: a pipe has none, and compares nothing") {
  test::ScriptedServer scripted;
  scripted.connection.receive(mcp::to_json_text(request("tools/list", Json::object())) + "\n");
  CHECK(Json::parse(scripted.output.take()).contains("result"));
}

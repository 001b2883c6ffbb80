#include "mcp/prompts.h"

#include "base/limits.h"
#include "mcp/server.h"
#include "support/catch.h"
#include "support/scripted_prompts.h"
#include "support/scripted_server.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

// Prompts and completion, in both eras.
using namespace pyember;
using mcp::Json;

namespace {

class Client {
 public:
  Client() : server(info(), tools_.catalog, resources_) {
    server.offer_prompts(prompts);
    connection.emplace(server, output);
  }

  void initialize(const std::string& version = "2025-11-25", Json capabilities = Json::object()) {
    send({{"id", "i"},
          {"method", "initialize"},
          {"params", {{"protocolVersion", version}, {"capabilities", std::move(capabilities)}}}});
    initialized = take()["result"];
    send({{"method", "notifications/initialized"}});
  }
  void send(Json message) {
    message["jsonrpc"] = "2.0";
    connection->receive(mcp::to_json_text(message) + "\n");
  }
  Json ask(const std::string& method, Json params) {
    send({{"id", 1}, {"method", method}, {"params", std::move(params)}});
    return take();
  }
  static Json modern(Json params, Json capabilities = Json::object()) {
    params["_meta"] = {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                       {"io.modelcontextprotocol/clientCapabilities", std::move(capabilities)}};
    return params;
  }
  Json take() {
    const std::string line = output.take();
    REQUIRE_FALSE(line.empty());
    return Json::parse(line);
  }

  test::ScriptedPrompts prompts;
  test::CapturedOutput output;
  Json initialized;

 private:
  static mcp::ServerInfo info() {
    mcp::ServerInfo made;
    made.name = "scripted";
    made.version = "1";
    made.extensions = {{"io.modelcontextprotocol/ui", Json::object()}};
    return made;
  }

  test::ScriptedTools tools_;
  test::ScriptedResources resources_;

 public:
  mcp::Server server;
  std::optional<mcp::Connection> connection;
};

Json get(const std::string& name, Json arguments) {
  return {{"name", name}, {"arguments", std::move(arguments)}};
}

}  // namespace

TEST_CASE("Prompts: a server with prompts declares them and its extensions, in both eras") {
  Client client;
  client.initialize();
  for (const Json& declared :
       {client.initialized["capabilities"],
        client.ask("server/discover", Client::modern(Json::object()))["result"]["capabilities"]}) {
    CHECK(declared["prompts"] == Json{{"listChanged", true}});
    CHECK(declared["completions"] == Json::object());
    CHECK(declared["extensions"] == Json{{"io.modelcontextprotocol/ui", Json::object()}});
  }
}

TEST_CASE("Prompts: a server without prompts does not know their methods, and declares nothing") {
  test::ScriptedServer scripted;
  for (const char* method : {"prompts/list", "prompts/get", "completion/complete"}) {
    const Json request = {{"jsonrpc", "2.0"},
                          {"id", 1},
                          {"method", method},
                          {"params", Client::modern(Json::object())}};
    scripted.connection.receive(mcp::to_json_text(request) + "\n");
    CHECK(Json::parse(scripted.output.take())["error"]["code"] == -32601);
  }
}

TEST_CASE("Prompts: they are listed with what a version knows of them") {
  Client client;
  const Json modern = client.ask("prompts/list", Client::modern(Json::object()))["result"];
  CHECK(modern["ttlMs"] == 3600000);
  CHECK(modern["cacheScope"] == "public");
  REQUIRE(modern["prompts"].size() == 5);
  CHECK(
      modern["prompts"][2] ==
      Json{{"name", "greet"},
           {"title", "Greet"},
           {"description", "Greets."},
           {"arguments",
            {{{"name", "name"}, {"description", "who"}, {"required", true}}, {{"name", "tone"}}}}});
  CHECK(modern["prompts"][0] == Json{{"name", "asks"}});
  client.initialize("2025-03-26");
  const Json old = client.ask("prompts/list", Json::object())["result"];
  CHECK_FALSE(old["prompts"][2].contains("title"));
  CHECK_FALSE(old.contains("ttlMs"));
  CHECK(client.ask("prompts/list", {{"cursor", "x"}})["error"]["code"] == -32602);
}

TEST_CASE("Prompts: one is filled in with its arguments") {
  Client client;
  client.initialize();
  const Json result =
      client.ask("prompts/get", get("greet", {{"name", "Ada"}, {"tone", "Warm"}}))["result"];
  CHECK(result ==
        Json{{"description", "A greeting"},
             {"messages",
              {{{"role", "user"}, {"content", {{"type", "text"}, {"text", "Warm hello Ada"}}}},
               {{"role", "assistant"}, {"content", {{"type", "text"}, {"text", "Hello"}}}}}}});
  const Json modern =
      client.ask("prompts/get", Client::modern(get("greet", {{"name", "Ada"}})))["result"];
  CHECK(modern["resultType"] == "complete");
  CHECK(modern["messages"][0]["content"]["text"] == " hello Ada");
  CHECK_FALSE(modern.contains("isError"));
}

TEST_CASE("Prompts: what a client doesn't know of is shown as text") {
  Client client;
  client.initialize("2025-03-26");
  const Json old = client.ask("prompts/get", get("shows", Json::object()))["result"];
  CHECK(old["messages"][0]["content"] == Json{{"type", "text"}, {"text", "a: note://a"}});
}

TEST_CASE("Prompts: what is wrong with a request is said") {
  Client client;
  client.initialize();
  const Json bad[] = {get("nobody", Json::object()),
                      Json::object(),
                      Json{{"name", 7}},
                      get("greet", Json::object()),
                      get("greet", {{"name", 7}}),
                      get("greet", {{"name", {{"a", 1}}}}),
                      get("greet", Json::array({1})),
                      get("greet", "name")};
  for (const Json& params : bad) {
    INFO(params);
    const Json answer = client.ask("prompts/get", params);
    CHECK(answer["error"]["code"] == -32602);
    CHECK(answer["error"]["message"].get<std::string>().find(". ") != std::string::npos);
  }
  CHECK(client.ask("prompts/get", get("forgets", Json::object()))["error"]["code"] == -32603);
  CHECK(client.ask("prompts/get", get("greet", {{"name", "a"}, {"more", "b"}})).contains("result"));
  CHECK(client.ask("prompts/get", {{"name", "forgets"}, {"arguments", nullptr}})["error"]["code"] ==
        -32603);
}

TEST_CASE("Prompts: one that is answered later can be cancelled, and is waited for") {
  Client client;
  client.initialize();
  client.send({{"id", 5}, {"method", "prompts/get"}, {"params", get("late", Json::object())}});
  CHECK(client.server.in_flight() == 1);
  client.prompts.held->complete({"", {}});
  CHECK(client.take() ==
        Json{{"jsonrpc", "2.0"}, {"id", 5}, {"result", {{"messages", Json::array()}}}});
  client.send({{"id", 6}, {"method", "prompts/get"}, {"params", get("late", Json::object())}});
  client.send({{"method", "notifications/cancelled"}, {"params", {{"requestId", 6}}}});
  client.prompts.held->complete({"", {}});
  CHECK(client.output.lines.empty());
  client.send({{"id", 7}, {"method", "prompts/get"}, {"params", get("late", Json::object())}});
  client.connection.reset();
  client.prompts.held->complete({"", {}});
  CHECK(client.server.in_flight() == 0);
}

TEST_CASE("Prompts: one asks the person first, beside its request in the handshake era") {
  Client client;
  client.initialize("2025-11-25", {{"elicitation", Json::object()}});
  const Json question = client.ask("prompts/get", get("asks", Json::object()));
  CHECK(question["method"] == "elicitation/create");
  client.send(
      {{"id", question["id"]}, {"result", {{"action", "accept"}, {"content", {{"name", "Bo"}}}}}});
  CHECK(client.take()["result"]["messages"][0]["content"]["text"] == "Hi Bo");
}

TEST_CASE("Prompts: one asks the person first, in another round in the modern era") {
  Client client;
  const Json capabilities = {{"elicitation", Json::object()}};
  const Json first = client.ask(
      "prompts/get", Client::modern(get("asks", Json::object()), capabilities))["result"];
  REQUIRE(first["resultType"] == "input_required");
  const std::string key = first["inputRequests"].items().begin().key();
  CHECK(first["inputRequests"][key]["method"] == "elicitation/create");
  Json again = get("asks", Json::object());
  again["requestState"] = first["requestState"];
  again["inputResponses"] = {{key, {{"action", "accept"}, {"content", {{"name", "Bo"}}}}}};
  const Json wrong = client.ask("tools/call", Client::modern(again, capabilities));
  CHECK(wrong.contains("error"));
  const Json second = client.ask("prompts/get", Client::modern(again, capabilities))["result"];
  CHECK(second["messages"][0]["content"]["text"] == "Hi Bo");
  const Json nobody = client.ask("prompts/get", Client::modern(get("asks", Json::object())));
  CHECK(nobody["result"]["messages"][0]["content"]["text"].get<std::string>().size() > 10);
}

TEST_CASE("Prompts: who listens hears of other prompts, where a server has any") {
  Client client;
  client.initialize();
  client.send({{"id", "l"},
               {"method", "subscriptions/listen"},
               {"params", Client::modern({{"notifications", {{"promptsListChanged", true}}}})}});
  CHECK(client.take()["params"]["notifications"] == Json{{"promptsListChanged", true}});
  client.server.prompts_list_changed();
  CHECK(client.take()["method"] == "notifications/prompts/list_changed");  // the handshake's
  const Json told = client.take();
  CHECK(told["method"] == "notifications/prompts/list_changed");
  CHECK(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "l");
}

TEST_CASE("Completion: at most a hundred values, and how many there are") {
  Client client;
  client.initialize();
  const auto complete = [&](Json reference, const char* argument, const char* value) {
    return client.ask("completion/complete", {{"ref", std::move(reference)},
                                              {"argument", {{"name", argument}, {"value", value}}},
                                              {"context", {{"arguments", {{"session", "main"}}}}}});
  };
  const Json prompt = {{"type", "ref/prompt"}, {"name", "greet"}};
  const Json many = complete(prompt, "name", "v")["result"]["completion"];
  CHECK(many["values"].size() == limits::kCompletionValues);
  CHECK(many["total"] == 150);
  CHECK(many["hasMore"] == true);
  CHECK(client.prompts.asked->others.at("session") == "main");
  const Json few = complete({{"type", "ref/resource"}, {"uri", "note://{name}"}}, "few", "n");
  CHECK(few["result"]["completion"] ==
        Json{{"values", {"n0", "n1"}}, {"total", 2}, {"hasMore", false}});
  CHECK(client.prompts.asked->about == mcp::CompletionRequest::About::Resource);
  CHECK(complete({{"type", "ref/prompt"}, {"name", "nothing"}}, "a", "")["error"]["code"] ==
        -32602);
  CHECK(complete({{"type", "ref/tool"}, {"name", "x"}}, "a", "")["error"]["code"] == -32602);
  CHECK(complete({{"type", "ref/prompt"}}, "a", "")["error"]["code"] == -32602);
  const std::string long_value(limits::kMaximumCompletionBytes + 1, 'x');
  CHECK(complete(prompt, "a", long_value.c_str())["error"]["code"] == -32602);
  for (const Json& bad : {Json::object(), Json{{"ref", 1}, {"argument", 2}},
                          Json{{"ref", prompt}, {"argument", {{"name", "a"}}}},
                          Json{{"ref", prompt}, {"argument", Json::array()}}}) {
    CHECK(client.ask("completion/complete", bad)["error"]["code"] == -32602);
  }
}

TEST_CASE("Completion: one that comes later is waited for, or forgotten") {
  Client client;
  client.initialize();
  const Json params = {{"ref", {{"type", "ref/prompt"}, {"name", "greet"}}},
                       {"argument", {{"name", "later"}, {"value", ""}}}};
  client.send({{"id", 2}, {"method", "completion/complete"}, {"params", params}});
  client.prompts.later.back()(mcp::Completion{{"x"}});
  CHECK(client.take()["result"]["completion"] == Json{{"values", {"x"}}, {"hasMore", false}});
  client.send({{"id", 3}, {"method", "completion/complete"}, {"params", params}});
  client.send({{"method", "notifications/cancelled"}, {"params", {{"requestId", 3}}}});
  client.prompts.later.back()(mcp::Completion{{"x"}});
  client.send({{"id", 4}, {"method", "completion/complete"}, {"params", params}});
  client.connection.reset();
  client.prompts.later.back()(mcp::Completion{{"x"}});
  CHECK(client.output.lines.empty());
}

TEST_CASE("Results: a _meta of their own stands beside the server's") {
  Client client;
  mcp::ToolResult result = mcp::tool_result("text", nullptr);
  result.meta = {{"pyember/memory_curve", {{0.5, 4096}}}};
  test::ScriptedTools tools;
  mcp::Tool tool;
  tool.name = "curve";
  tool.description = "Answers with a _meta.";
  tool.input_schema = {{"type", "object"}};
  tool.handler = [result](const std::shared_ptr<mcp::ToolCall>& call) { call->complete(result); };
  tools.catalog.add(std::move(tool));
  test::ScriptedResources resources;
  mcp::Server server({"scripted", "", "1", "", "", ""}, tools.catalog, resources);
  test::CapturedOutput output;
  mcp::Connection connection(server, output);
  const Json call = {{"jsonrpc", "2.0"},
                     {"id", 1},
                     {"method", "tools/call"},
                     {"params", Client::modern({{"name", "curve"}})}};
  connection.receive(mcp::to_json_text(call) + "\n");
  const Json meta = Json::parse(output.take())["result"]["_meta"];
  CHECK(meta.size() == 2);
  CHECK(meta["pyember/memory_curve"] == Json::parse("[[0.5,4096]]"));
  CHECK(meta["io.modelcontextprotocol/serverInfo"]["name"] == "scripted");
}

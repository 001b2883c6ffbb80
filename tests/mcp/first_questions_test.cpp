#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "mcp/connection.h"
#include "mcp/server.h"
#include "support/catch.h"
#include "support/scripted_server.h"

// What a handler asks before it returns: asked together, and answered by what the first request
// brings along.
using namespace pyember;
using mcp::InputRequest;
using mcp::Json;
using Call = std::shared_ptr<mcp::ToolCall>;

namespace {

Json parsed(const std::string& text) { return mcp::parse_json(text).take(); }

InputRequest named(const char* key) {
  InputRequest question;
  question.key = key;
  question.message = "Who?";
  question.requested_schema = {
      {"type", "object"}, {"properties", {{"name", {{"type", "string"}}}}}, {"required", {"name"}}};
  return question;
}

// A server with one tool, "ask", that does what the test says.
struct Asking {
  explicit Asking(mcp::ToolHandler handler)
      : catalog(made(std::move(handler))),
        server({"s", "", "1", "", "", "", nullptr}, catalog, resources),
        connection(server, output) {}

  static mcp::ToolCatalog made(mcp::ToolHandler handler) {
    mcp::ToolCatalog catalog;
    catalog.add({"ask", "", "Asks.", {{"type", "object"}}, {}, {}, std::move(handler)});
    return catalog;
  }
  Json call(Json more = Json::object()) {
    more["name"] = "ask";
    more["_meta"] = {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                     {"io.modelcontextprotocol/clientCapabilities",
                      {{"elicitation", Json::object()}, {"roots", Json::object()}}}};
    connection.receive(mcp::to_json_text(Json{{"jsonrpc", "2.0"},
                                              {"id", ++last_id},
                                              {"method", "tools/call"},
                                              {"params", std::move(more)}}) +
                       "\n");
    const std::string line = output.take();
    return line.empty() ? Json() : parsed(line);
  }

  test::CapturedOutput output;
  test::ScriptedResources resources;
  mcp::ToolCatalog catalog;
  mcp::Server server;
  mcp::Connection connection;
  int last_id = 0;
};

// Completes with what was answered, when `count` answers are there.
std::function<void(const Result<mcp::Answer>&)> gather(const Call& call, std::size_t count) {
  struct Gathered {
    std::size_t missing;
    std::string text;
  };
  auto gathered = std::make_shared<Gathered>(Gathered{count, {}});
  return [call, gathered](const Result<mcp::Answer>& answer) {
    gathered->text += answer ? mcp::to_json_text(answer.value().content) : answer.error().message;
    if (--gathered->missing > 0) return;
    mcp::ToolResult result;
    result.content.push_back(mcp::text_block(gathered->text));
    call->complete(std::move(result));
  };
}

std::string text_of(const Json& answer) { return answer["result"]["content"][0]["text"]; }

Json accepted(const char* name) { return {{"action", "accept"}, {"content", {{"name", name}}}}; }

void ask_one(const Call& call) { call->ask(named("who"), gather(call, 1)); }

}  // namespace

TEST_CASE("First questions: what is asked in one turn is asked in one round") {
  Asking asking([](const Call& call) {
    const auto then = gather(call, 2);
    call->ask(named("who"), then);
    InputRequest roots = InputRequest::roots();
    roots.key = "where";
    call->ask(std::move(roots), then);
  });
  const Json asked = asking.call()["result"];
  CHECK(asked["resultType"] == "input_required");
  CHECK(asked["inputRequests"]["who"]["method"] == "elicitation/create");
  CHECK(asked["inputRequests"]["where"]["method"] == "roots/list");
  const Json answer = asking.call(
      {{"requestState", asked["requestState"]},
       {"inputResponses", {{"who", accepted("Eve")}, {"where", {{"roots", Json::array()}}}}}});
  CHECK(text_of(answer) == R"({"name":"Eve"}{"roots":[]})");
  CHECK(asking.server.waiting() == 0);
}

TEST_CASE("First questions: a first request may bring the answer to one that has a key") {
  Asking asking(ask_one);
  const Json answer =
      asking.call({{"inputResponses", {{"who", accepted("Eve")}, {"more", accepted("Ann")}}}});
  CHECK(text_of(answer) == R"({"name":"Eve"})");
  CHECK(asking.server.waiting() == 0);
}

TEST_CASE("First questions: answers that fit nothing are as if there were none") {
  Asking asking(ask_one);
  const Json responses = GENERATE(Json(), Json(7), Json::array({1}),
                                  Json{{"other", accepted("Eve")}}, Json{{"who", 12345}},
                                  Json{{"who", {{"action", "accept"}, {"content", {{"name", 7}}}}}},
                                  Json{{"", accepted("Eve")}});
  const Json asked = asking.call({{"inputResponses", responses}})["result"];
  CHECK(asked["resultType"] == "input_required");
  CHECK(asked["inputRequests"].contains("who"));
}

TEST_CASE("First questions: one without a key of its own is not answered before it is asked") {
  Asking asking([](const Call& call) { call->ask(named(""), gather(call, 1)); });
  const Json first = asking.call()["result"];
  REQUIRE(first["inputRequests"].size() == 1);
  const std::string key = first["inputRequests"].begin().key();
  Json guessed = Json::object();
  guessed[key] = accepted("Mallory");
  guessed[""] = accepted("Mallory");
  CHECK(asking.call({{"inputResponses", guessed}})["result"]["resultType"] == "input_required");
}

TEST_CASE("First questions: a handler that asks and answers at once has asked nothing") {
  Asking asking([](const Call& call) {
    call->ask(named("who"), [](const Result<mcp::Answer>&) {});
    mcp::ToolResult result;
    result.content.push_back(mcp::text_block("done"));
    call->complete(std::move(result));
  });
  CHECK(text_of(asking.call()) == "done");
  CHECK(text_of(asking.call({{"inputResponses", {{"who", accepted("Eve")}}}})) == "done");
  CHECK(asking.server.waiting() == 0);
  CHECK(asking.server.in_flight() == 0);
}

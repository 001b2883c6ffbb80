#include "mcp/http/http_client.h"
#include "support/catch.h"

#include <string>
#include <vector>

// The stateless era over HTTP: a POST is a request, its response the answer.
using namespace pyember;
using mcp::Json;
using test::Exchange;
using test::HttpClient;

namespace {

const Json kProgress = {{"progressToken", "p"}};

int code_of(const Exchange& exchange) { return exchange->json().at("error").at("code"); }

}  // namespace

TEST_CASE("HTTP: a request that is answered at once is answered with JSON") {
  HttpClient client;
  const Exchange exchange = client.call(HttpClient::modern(7, "server/discover"));
  CHECK(exchange->status == 200);
  CHECK(exchange->over);
  CHECK(exchange->field("Content-Type") == "application/json");
  CHECK(exchange->json()["id"] == 7);
  CHECK(exchange->json()["result"]["resultType"] == "complete");
  CHECK_FALSE(exchange->field("Mcp-Session-Id"));
  CHECK(client.endpoint->open_exchanges() == 0);
}

TEST_CASE("HTTP: a request is answered when its tool has answered, and others meanwhile") {
  HttpClient client;
  const Exchange slow = client.tool(1, "hold", {{"key", "k"}});
  CHECK_FALSE(slow->begun());
  CHECK(client.endpoint->calls_in_flight() == 1);
  CHECK(client.tool(1, "echo", {{"text", "hi"}})->json()["result"]["structuredContent"]["text"] ==
        "hi");
  client.scripted.tools.answer("k");
  CHECK(slow->status == 200);
  CHECK(slow->json()["id"] == 1);
  CHECK(client.endpoint->calls_in_flight() == 0);
}

TEST_CASE("HTTP: what a request reports makes its response a stream, which the answer ends") {
  HttpClient client;
  const Exchange exchange = client.tool(1, "hold", {{"key", "k"}}, kProgress);
  CHECK_FALSE(exchange->begun());
  client.scripted.tools.held.at("k")->progress(1, 2.0, "half");
  CHECK(exchange->status == 200);
  CHECK(exchange->field("Content-Type") == "text/event-stream");
  CHECK(exchange->field("Cache-Control") == "no-cache");
  CHECK(exchange->field("X-Accel-Buffering") == "no");
  CHECK_FALSE(exchange->over);
  client.scripted.tools.answer("k");
  CHECK(exchange->over);
  const auto events = exchange->events();
  REQUIRE(events.size() == 2);
  CHECK(events[0].json()["method"] == "notifications/progress");
  CHECK(events[0].id.empty());
  CHECK(events[1].json()["id"] == 1);
  CHECK(exchange->body.starts_with("event: message\ndata: {"));
}

TEST_CASE("HTTP: an error after the stream has begun is its last event") {
  HttpClient client;
  const Exchange exchange = client.tool(1, "hold", {{"key", "k"}}, kProgress);
  const auto call = client.scripted.tools.held.at("k");
  call->progress(1, std::nullopt, "");
  call->fail({mcp::RpcCode::InvalidParams, "No.", {}});
  CHECK(exchange->status == 200);
  CHECK(exchange->over);
  CHECK(exchange->events().back().json()["error"]["code"] == -32602);
}

TEST_CASE("HTTP: log messages go over the stream of the request that asked for them") {
  HttpClient client;
  const Exchange exchange =
      client.tool(1, "speak", Json::object(), {{"io.modelcontextprotocol/logLevel", "info"}});
  const auto events = exchange->events();
  REQUIRE(events.size() == 2);
  CHECK(events[0].json()["method"] == "notifications/message");
  CHECK(client.tool(2, "speak")->field("Content-Type") == "application/json");
}

TEST_CASE("HTTP: a client that takes no stream gets the answer alone") {
  HttpClient client;
  const Json message = HttpClient::modern(
      1, "tools/call", {{"name", "hold"}, {"arguments", {{"key", "k"}}}}, kProgress);
  mcp::HttpFields head = {{"Accept", "application/json"}};
  const Exchange exchange = client.call(message, head);
  client.scripted.tools.held.at("k")->progress(1, std::nullopt, "");
  CHECK_FALSE(exchange->begun());
  client.seconds(60);
  CHECK_FALSE(exchange->begun());
  client.scripted.tools.answer("k");
  CHECK(exchange->json()["id"] == 1);
}

TEST_CASE(
    "HTTP: a client that takes only streams gets its answer as an event, errors as they are") {
  HttpClient client;
  const mcp::HttpFields head = {{"Accept", "text/event-stream"}};
  const Exchange exchange = client.call(HttpClient::modern(1, "tools/list"), head);
  CHECK(exchange->status == 200);
  REQUIRE(exchange->events().size() == 1);
  CHECK(exchange->events()[0].json()["result"]["tools"].size() > 1);
  CHECK(client.call(HttpClient::modern(1, "tools/nothing"), head)->status == 404);
}

TEST_CASE("HTTP: a client that hangs up has cancelled its request") {
  HttpClient client;
  const auto progress = GENERATE(false, true);
  const Exchange exchange = client.tool(1, "hold", {{"key", "k"}}, kProgress);
  if (progress) client.scripted.tools.held.at("k")->progress(1, std::nullopt, "");
  exchange->go_away();
  CHECK(client.scripted.tools.cancelled == std::vector<std::string>{"k"});
  CHECK(client.endpoint->open_exchanges() == 0);
  CHECK(client.endpoint->calls_in_flight() == 0);
  client.scripted.tools.answer("k");
  CHECK_FALSE(exchange->over);
  CHECK(exchange->events().size() == (progress ? 1 : 0));
}

TEST_CASE("HTTP: a client that has gone before it was let in is not served") {
  HttpClient client;
  const Json message =
      HttpClient::modern(1, "tools/call", {{"name", "hold"}, {"arguments", {{"key", "k"}}}});
  const auto exchange =
      std::make_shared<test::FakeExchange>("POST", message.dump(), HttpClient::head_of(message));
  exchange->go_away();
  client.endpoint->handle(exchange, {});
  CHECK(client.scripted.tools.held.empty());
  CHECK(client.endpoint->is_idle());
}

TEST_CASE("HTTP: a client that goes after its answer has cancelled nothing") {
  HttpClient client;
  const Exchange exchange = client.tool(1, "hold", {{"key", "k"}});
  client.scripted.tools.answer("k");
  exchange->go_away();
  CHECK(client.scripted.tools.cancelled.empty());
}

TEST_CASE("HTTP: a call that asks is answered with the question, and goes on in another POST") {
  HttpClient client;
  const Json capabilities = {
      {"io.modelcontextprotocol/clientCapabilities", {{"elicitation", Json::object()}}}};
  const Exchange first = client.tool(1, "hold", {{"key", "k"}}, capabilities);
  std::string said;
  const Json form = {{"type", "object"}, {"properties", Json::object()}};
  client.scripted.tools.held.at("k")->ask(
      {.message = "May I?", .requested_schema = form},
      [&said](const Result<mcp::Answer>& answer) { said = answer ? "yes" : "no"; });
  CHECK(first->status == 200);
  const Json asked = first->json()["result"];
  CHECK(asked["resultType"] == "input_required");
  const std::string key = asked["inputRequests"].begin().key();
  first->go_away();  // the request is over; the call is not
  CHECK(client.scripted.tools.cancelled.empty());

  Json params = {{"name", "hold"}, {"arguments", {{"key", "k"}}}};
  params["requestState"] = asked["requestState"];
  params["inputResponses"] = {{key, {{"action", "accept"}, {"content", Json::object()}}}};
  const Exchange second = client.call(HttpClient::modern(2, "tools/call", params, capabilities));
  CHECK(said == "yes");
  client.scripted.tools.answer("k");
  CHECK(second->json()["id"] == 2);
  CHECK(second->json()["result"]["resultType"] == "complete");
}

// --- statuses --------------------------------------------------------------------------------

TEST_CASE("HTTP: an error that is alone in its response has its status, and the request's id") {
  HttpClient client;
  const auto refused = [&client](const Json& message, int status, int code,
                                 const mcp::HttpFields& more = {}) {
    const Exchange exchange = client.call(message, more);
    INFO(exchange->body);
    CHECK(exchange->status == status);
    CHECK(code_of(exchange) == code);
    CHECK(exchange->json()["id"] == message["id"]);
    CHECK(exchange->field("Content-Type") == "application/json");
  };
  refused(HttpClient::modern(1, "no/method"), 404, -32601);
  for (const char* removed : {"initialize", "ping", "logging/setLevel", "resources/subscribe",
                              "resources/unsubscribe", "tasks/list", "tasks/result"}) {
    refused(HttpClient::modern("a", removed), 404, -32601);
  }
  refused(HttpClient::modern(2, "tools/call", {{"name", "nothing"}}), 400, -32602);
  refused(HttpClient::modern(3, "resources/read", {{"uri", "note://nothing"}}), 400, -32602);
  refused(HttpClient::modern(4, "tools/list", {{"cursor", "x"}}), 400, -32602);
  refused(HttpClient::modern(5, "tools/call", {{"name", "fail"}}), 200, -32603);

  Json old = HttpClient::modern(6, "tools/list");
  old["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = "1900-01-01";
  refused(old, 400, -32022, {{"MCP-Protocol-Version", "1900-01-01"}});
}

TEST_CASE("HTTP: headers that are missing or say something else are refused") {
  HttpClient client;
  const Json message =
      HttpClient::modern(9, "tools/call", {{"name", "echo"}, {"arguments", {{"text", "x"}}}});
  const auto refused = [&](const mcp::HttpFields& head, int code) {
    const Exchange exchange = client.post(message.dump(), head);
    INFO(exchange->body);
    CHECK(exchange->status == 400);
    CHECK(code_of(exchange) == code);
    CHECK(exchange->json()["id"] == 9);
  };
  refused({}, -32020);
  refused({{"Mcp-Method", "tools/call"}, {"Mcp-Name", "echo"}}, -32020);
  refused({{"MCP-Protocol-Version", "2025-11-25"}, {"Mcp-Method", "tools/call"}}, -32020);
  refused({{"MCP-Protocol-Version", "2026-07-28"}, {"Mcp-Name", "echo"}}, -32020);
  refused({{"MCP-Protocol-Version", "2026-07-28"}, {"Mcp-Method", "tools/call"}}, -32020);
  refused(
      {{"MCP-Protocol-Version", "2026-07-28"}, {"Mcp-Method", "TOOLS/CALL"}, {"Mcp-Name", "echo"}},
      -32020);
  refused(
      {{"MCP-Protocol-Version", "2026-07-28"}, {"Mcp-Method", "tools/call"}, {"Mcp-Name", "hold"}},
      -32020);
  const Exchange exchange = client.post(
      message.dump(),
      {{"mcp-protocol-version", "2026-07-28"}, {"MCP-METHOD", "tools/call"}, {"mcp-name", "echo"}});
  CHECK(exchange->status == 200);
}

TEST_CASE("HTTP: arguments that are headers as well are held against those") {
  HttpClient client;
  const Json message = HttpClient::modern(
      1, "tools/call", {{"name", "route"}, {"arguments", {{"region", "Zürich"}, {"size", 5}}}});
  const std::string zurich = "=?base64?WsO8cmljaA==?=";
  CHECK(client.call(message, {{"Mcp-Param-Region", zurich}, {"Mcp-Param-Size", "5"}})->status ==
        200);
  CHECK(client.call(message, {{"mcp-param-region", zurich}, {"MCP-PARAM-SIZE", "5"}})->status ==
        200);
  for (const mcp::HttpFields& head : std::vector<mcp::HttpFields>{
           {},
           {{"Mcp-Param-Region", zurich}},
           {{"Mcp-Param-Region", "Bern"}, {"Mcp-Param-Size", "5"}},
           {{"Mcp-Param-Region", "=?base64?WsO8?="}, {"Mcp-Param-Size", "5"}},
           {{"Mcp-Param-Region", "=?base64?%%%?="}, {"Mcp-Param-Size", "5"}},
           {{"Mcp-Param-Region", zurich}, {"Mcp-Param-Size", "6"}}}) {
    const Exchange exchange = client.call(message, head);
    INFO(exchange->body);
    CHECK(exchange->status == 400);
    CHECK(code_of(exchange) == -32020);
  }
}

TEST_CASE("HTTP: a header alone makes a request modern, so that it hears what is missing in it") {
  HttpClient client;
  const Json message = {{"jsonrpc", "2.0"}, {"id", 3}, {"method", "tools/list"}};
  for (const char* version : {"2026-07-28", "1900-01-01", "x"}) {
    const Exchange exchange = client.post(
        message.dump(), {{"MCP-Protocol-Version", version}, {"Mcp-Method", "tools/list"}});
    CHECK(exchange->status == 400);
    CHECK(code_of(exchange) == -32602);
    CHECK(exchange->json()["id"] == 3);
  }
}

TEST_CASE("HTTP: the modern era looks at no session, and resumes nothing") {
  HttpClient client;
  client.initialize();
  for (const char* id : {client.session.c_str(), "nothing"}) {
    const Exchange exchange = client.call(HttpClient::modern(1, "tools/list"),
                                          {{"Mcp-Session-Id", id}, {"Last-Event-ID", "0-1"}});
    CHECK(exchange->status == 200);
    CHECK(exchange->json()["result"]["resultType"] == "complete");
    CHECK_FALSE(exchange->field("Mcp-Session-Id"));
  }
}

TEST_CASE(
    "HTTP: a tool that the caller may not call is not listed, and forbidden with a challenge") {
  HttpClient client;
  client.caller = {[](std::string_view tool) { return tool == "echo"; },
                   [](std::string_view tool) {
                     return mcp::HttpFields{
                         {"WWW-Authenticate", "Bearer scope=\"tool:" + std::string(tool) + '"'}};
                   }};
  const Json tools = client.call(HttpClient::modern(1, "tools/list"))->json()["result"];
  CHECK(tools["tools"].size() == 1);
  CHECK(tools["cacheScope"] == "private");
  CHECK(client.tool(2, "echo", {{"text", "x"}})->status == 200);
  const Exchange exchange = client.tool(3, "hold", {{"key", "k"}});
  CHECK(exchange->status == 403);
  CHECK(exchange->field("WWW-Authenticate") == "Bearer scope=\"tool:hold\"");
  CHECK(exchange->json()["id"] == 3);
  CHECK(client.scripted.tools.held.empty());
}

TEST_CASE("HTTP: a notification is taken, and an answer to nothing is refused") {
  HttpClient client;
  Json cancel = {
      {"jsonrpc", "2.0"}, {"method", "notifications/cancelled"}, {"params", {{"requestId", 1}}}};
  const Exchange held = client.tool(1, "hold", {{"key", "k"}});
  const Exchange exchange = client.post(cancel.dump(), {{"MCP-Protocol-Version", "2026-07-28"},
                                                        {"Mcp-Method", "notifications/cancelled"}});
  CHECK(exchange->status == 202);
  CHECK(exchange->body.empty());
  CHECK(client.scripted.tools.cancelled.empty());  // in this era it is done by hanging up
  const Json answer = {{"jsonrpc", "2.0"}, {"id", 1}, {"result", Json::object()}};
  CHECK(client.post(answer.dump(), {{"MCP-Protocol-Version", "2026-07-28"}})->status == 400);
}

// --- subscriptions ---------------------------------------------------------------------------

TEST_CASE("HTTP: a subscription is a stream that begins with its acknowledgement") {
  HttpClient client;
  const Exchange stream = client.listen(
      "s", {{"toolsListChanged", true}, {"resourceSubscriptions", {"note://a", "blob://a"}}});
  CHECK(stream->status == 200);
  CHECK(stream->field("Content-Type") == "text/event-stream");
  REQUIRE(stream->events().size() == 1);
  const Json first = stream->events()[0].json();
  CHECK(first["method"] == "notifications/subscriptions/acknowledged");
  CHECK(first["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "s");
  CHECK(first["params"]["notifications"]["resourceSubscriptions"] == Json::array({"note://a"}));

  client.scripted.server.resources_list_changed();
  client.scripted.server.resource_updated("note://b");
  CHECK(stream->events().size() == 1);
  client.scripted.server.tools_list_changed();
  client.scripted.server.resource_updated("note://a");
  REQUIRE(stream->events().size() == 3);
  for (const auto& event : stream->events()) {
    CHECK(event.json()["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "s");
  }
  CHECK_FALSE(stream->over);
}

TEST_CASE("HTTP: subscriptions of one id on many connections are many") {
  HttpClient client;
  std::vector<Exchange> streams;
  for (int i = 0; i < 1000; ++i) {
    streams.push_back(client.listen(1, {{"toolsListChanged", true}}));
  }
  CHECK(client.endpoint->open_exchanges() == 1000);
  client.scripted.server.tools_list_changed();
  for (const Exchange& stream : streams) CHECK(stream->events().size() == 2);
  for (const Exchange& stream : streams) stream->go_away();
  CHECK(client.endpoint->open_exchanges() == 0);
  CHECK_FALSE(client.scripted.server.has_subscriber("note://a"));
}

TEST_CASE("HTTP: a subscription ends with its client, and is not told anything more") {
  HttpClient client;
  const Exchange stream = client.listen(1, {{"resourceSubscriptions", {"note://a"}}});
  CHECK(client.scripted.server.has_subscriber("note://a"));
  stream->go_away();
  CHECK_FALSE(client.scripted.server.has_subscriber("note://a"));
}

TEST_CASE("HTTP: a subscription that can't be a stream is refused") {
  HttpClient client;
  const Exchange exchange =
      client.call(HttpClient::modern(4, "subscriptions/listen",
                                     {{"notifications", {{"toolsListChanged", true}}}}),
                  {{"Accept", "application/json"}});
  CHECK(exchange->status == 406);
  CHECK(exchange->json()["id"] == 4);
}

TEST_CASE("HTTP: quiet streams say that they are alive, every 15 to 30 seconds") {
  HttpClient client;
  const Exchange stream = client.listen(1, {{"toolsListChanged", true}});
  const Exchange call = client.tool(2, "hold", {{"key", "k"}});
  const std::size_t before = stream->body.size();
  client.seconds(31);
  CHECK(stream->body.size() == before + 3);
  CHECK(stream->body.ends_with("\n\n:\n\n"));
  CHECK(call->streams);  // it takes long: its client hears that it goes on
  client.seconds(30);
  CHECK(stream->body.ends_with("\n\n:\n\n:\n\n:\n\n"));
  CHECK(stream->events().size() == 1);
}

// --- the end ---------------------------------------------------------------------------------

TEST_CASE("HTTP: a server that ends ends subscriptions with their results, and answers the rest") {
  HttpClient client;
  const Exchange stream = client.listen("s", {{"toolsListChanged", true}});
  const Exchange call = client.tool(2, "hold", {{"key", "k"}});
  client.endpoint->close();
  CHECK(stream->over);
  const Json last = stream->events().back().json();
  CHECK(last["id"] == "s");
  CHECK(last["result"]["resultType"] == "complete");
  CHECK(last["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "s");
  CHECK(client.endpoint->calls_in_flight() == 1);
  const Exchange late = client.call(HttpClient::modern(3, "tools/list"));
  CHECK(late->status == 503);
  CHECK(late->field("Retry-After") == "1");
  client.scripted.tools.answer("k");
  CHECK(call->json()["id"] == 2);
  CHECK(client.endpoint->calls_in_flight() == 0);
}

TEST_CASE("HTTP: an endpoint that goes refuses who still waits, and cancels the calls") {
  HttpClient client;
  const Exchange call = client.tool(2, "hold", {{"key", "k"}});
  const Exchange stream = client.tool(3, "hold", {{"key", "l"}}, kProgress);
  client.scripted.tools.held.at("l")->progress(1, std::nullopt, "");
  client.endpoint.reset();
  CHECK(call->status == 503);
  CHECK(call->json()["id"] == 2);
  CHECK_FALSE(stream->over);  // broken off
  CHECK(client.scripted.tools.cancelled.size() == 2);
  call->go_away();
  stream->go_away();
  client.scripted.tools.answer("k");
}

#include "base/limits.h"
#include "mcp/http/http_client.h"
#include "support/catch.h"

#include <algorithm>
#include <string>
#include <vector>

// The handshake era over HTTP: sessions, their streams, and going on with them.
using namespace pyember;
using mcp::Json;
using test::Exchange;
using test::HttpClient;

namespace {

// Of a stream with one: the last id that the client has seen.
std::string last_id(const Exchange& exchange) {
  const auto events = exchange->events();
  return events.empty() ? "" : events.back().id;
}

std::vector<std::string> methods(const Exchange& exchange) {
  std::vector<std::string> found;
  for (const auto& event : exchange->events()) {
    if (event.data.empty()) {
      found.push_back("(priming)");
    } else {
      found.push_back(event.json().value("method", "(answer)"));
    }
  }
  return found;
}

using Methods = std::vector<std::string>;

}  // namespace

TEST_CASE("HTTP session: initialize opens one, whose id is in its head and not to be guessed") {
  HttpClient client;
  const auto version = GENERATE("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25");
  const Exchange exchange = client.initialize(version);
  CHECK(exchange->status == 200);
  CHECK(exchange->json()["result"]["protocolVersion"] == version);
  CHECK(client.session.size() == 32);
  CHECK(std::all_of(client.session.begin(), client.session.end(),
                    [](char each) { return each > 0x20 && each < 0x7f; }));
  CHECK(client.request(1, "ping")->json() ==
        Json({{"jsonrpc", "2.0"}, {"id", 1}, {"result", Json::object()}}));
  const std::string first = client.session;
  client.initialize(version);
  CHECK(client.session != first);
  CHECK(client.endpoint->sessions() == 2);
}

TEST_CASE("HTTP session: an initialize that fails opens none") {
  HttpClient client;
  const Exchange exchange =
      client.post(R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{}})");
  CHECK_FALSE(exchange->field("Mcp-Session-Id"));
  CHECK(exchange->json().contains("error"));
  CHECK(client.post(R"({"jsonrpc":"2.0","method":"initialize","params":{}})")->status == 202);
  CHECK(client.endpoint->sessions() == 0);
}

TEST_CASE("HTTP session: notifications and answers are taken without a word") {
  HttpClient client;
  client.initialize();
  const Exchange notification = client.notify("notifications/roots/list_changed");
  CHECK(notification->status == 202);
  CHECK(notification->body.empty());
  CHECK(client.in_session({{"jsonrpc", "2.0"}, {"id", "x"}, {"result", Json::object()}})->status ==
        202);
  CHECK(client.in_session({{"id", "x"}, {"result", Json::object()}})->status == 400);
}

TEST_CASE("HTTP session: the version's header may be left out, and be no other than it knows") {
  HttpClient client;
  client.initialize();
  const std::string list = R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})";
  const auto status = [&](mcp::HttpFields head) {
    head.push_back({"Mcp-Session-Id", client.session});
    return client.post(list, head)->status;
  };
  CHECK(status({}) == 200);
  CHECK(status({{"MCP-Protocol-Version", "2025-11-25"}}) == 200);
  CHECK(status({{"MCP-Protocol-Version", "nonsense"}}) == 400);
  CHECK(status({{"MCP-Protocol-Version", "2026-07-28"}}) == 400);
}

TEST_CASE("HTTP session: a request that its session does not know is an error of the protocol") {
  HttpClient client;
  client.initialize();
  const Exchange exchange = client.request(1, "no/method");
  CHECK(exchange->status == 200);
  CHECK(exchange->json()["error"]["code"] == -32601);
}

TEST_CASE("HTTP session: DELETE ends it, and what is in flight") {
  HttpClient client;
  client.initialize();
  const Exchange stream = client.get();
  const Exchange call = client.session_tool(1, "hold", {{"key", "k"}});
  const Exchange reporting = client.session_tool(2, "hold", {{"key", "l"}});
  client.scripted.tools.held.at("l")->progress(1, std::nullopt, "");
  CHECK(client.remove()->status == 204);
  CHECK(stream->over);
  CHECK(call->status == 404);
  CHECK(call->json()["id"] == 1);
  CHECK(reporting->over);
  CHECK(client.scripted.tools.cancelled.size() == 2);
  CHECK(client.request(3, "ping")->status == 404);
  CHECK(client.get()->status == 404);
  CHECK(client.remove()->status == 404);
  CHECK(client.endpoint->sessions() == 0);
  CHECK(client.endpoint->open_exchanges() == 0);
}

TEST_CASE(
    "HTTP session: one that nobody uses for an hour is ended; one that is listened to is not") {
  HttpClient client;
  client.initialize();
  const std::string idle = client.session;
  client.initialize();
  const Exchange stream = client.get();
  client.seconds(static_cast<int>(limits::kServedSessionIdle.count()) - 5);
  CHECK(client.endpoint->sessions() == 2);
  client.seconds(10);
  CHECK(client.endpoint->sessions() == 1);
  CHECK_FALSE(stream->over);
  CHECK(client.request(1, "ping")->status == 200);
  client.session = idle;
  CHECK(client.request(1, "ping")->status == 404);
}

TEST_CASE("HTTP session: when there are too many, the one that was used least lately makes room") {
  mcp::HttpBounds bounds = mcp::HttpBounds::standard();
  bounds.sessions = 2;
  HttpClient client(bounds);
  client.initialize();
  const std::string first = client.session;
  client.initialize();
  const std::string second = client.session;
  client.session = first;
  CHECK(client.request(1, "ping")->status == 200);
  client.initialize();
  const std::string third = client.session;
  client.session = second;
  CHECK(client.request(1, "ping")->status == 404);
  for (const std::string& each : {first, third}) {
    client.session = each;
    CHECK(client.get()->status == 200);
  }
  const Exchange exchange = client.initialize();
  CHECK(exchange->status == 503);
  CHECK(exchange->field("Retry-After"));
}

TEST_CASE("HTTP session: sessions have nothing of each other's") {
  HttpClient client;
  client.initialize();
  const std::string first = client.session;
  const Exchange first_stream = client.get();
  client.request(1, "resources/subscribe", {{"uri", "note://a"}});
  const Exchange first_call = client.session_tool(2, "hold", {{"key", "k"}});
  client.initialize();
  const Exchange second_stream = client.get();
  const Exchange second_call = client.session_tool(2, "hold", {{"key", "l"}});
  client.notify("notifications/cancelled", {{"requestId", 3}});
  client.scripted.server.resource_updated("note://a");
  CHECK(methods(first_stream) == Methods{"(priming)", "notifications/resources/updated"});
  CHECK(methods(second_stream) == Methods{"(priming)"});
  client.scripted.tools.answer("l");
  CHECK(second_call->over);
  CHECK_FALSE(first_call->over);
  client.remove();
  CHECK(client.scripted.tools.cancelled.empty());
  client.session = first;
  CHECK(client.request(3, "ping")->status == 200);
}

TEST_CASE("HTTP session: what the caller may not call is decided for each message") {
  HttpClient client;
  const auto only_echo = [](std::string_view tool) { return tool == "echo"; };
  client.caller.may_call = only_echo;
  client.initialize();
  CHECK(client.request(1, "tools/list")->json()["result"]["tools"].size() == 1);
  const Exchange refused = client.session_tool(2, "hold", {{"key", "k"}});
  CHECK(refused->status == 403);
  CHECK(refused->json()["id"] == 2);
  client.caller = {};
  CHECK(client.request(3, "tools/list")->json()["result"]["tools"].size() > 1);
  CHECK_FALSE(client.session_tool(4, "hold", {{"key", "k"}})->begun());
  client.caller = {only_echo, [](std::string_view tool) {
                     return mcp::HttpFields{{"WWW-Authenticate", std::string(tool)}};
                   }};
  CHECK(client.session_tool(5, "hold", {{"key", "l"}})->field("WWW-Authenticate") == "hold");
}

// --- POSTs -----------------------------------------------------------------------------------

TEST_CASE("HTTP session: what a request reports goes over its own stream, with ids") {
  HttpClient client;
  client.initialize();
  const Exchange stream = client.get();
  const Exchange first = client.session_tool(1, "hold", {{"key", "a"}});
  const Exchange second = client.session_tool(2, "hold", {{"key", "b"}});
  client.scripted.tools.held.at("b")->progress(1, std::nullopt, "");
  client.scripted.tools.held.at("a")->progress(1, std::nullopt, "");
  client.scripted.tools.answer("a");
  client.scripted.tools.answer("b");
  const Methods expected = {"(priming)", "notifications/progress", "(answer)"};
  std::vector<std::string> ids;
  for (const Exchange& exchange : {first, second}) {
    CHECK(methods(exchange) == expected);
    CHECK(exchange->over);
    for (const auto& event : exchange->events()) ids.push_back(event.id);
  }
  CHECK(first->events()[1].json()["params"]["progressToken"] == 1);
  CHECK(second->events()[1].json()["params"]["progressToken"] == 2);
  CHECK(methods(stream) == Methods{"(priming)"});
  ids.push_back(last_id(stream));
  std::sort(ids.begin(), ids.end());
  CHECK(std::unique(ids.begin(), ids.end()) == ids.end());
}

TEST_CASE("HTTP session: an answer is alone in its response as long as that takes no time") {
  HttpClient client;
  client.initialize();
  const Exchange fast = client.session_tool(1, "hold", {{"key", "a"}});
  client.seconds(1);
  CHECK_FALSE(fast->begun());
  client.scripted.tools.answer("a");
  CHECK(fast->field("Content-Type") == "application/json");
  const Exchange slow = client.session_tool(2, "hold", {{"key", "b"}});
  client.seconds(2);
  CHECK(slow->field("Content-Type") == "text/event-stream");
  CHECK(methods(slow) == Methods{"(priming)"});
  CHECK(slow->events()[0].retry == "1000");
  client.scripted.tools.answer("b");
  CHECK(methods(slow) == Methods{"(priming)", "(answer)"});
}

TEST_CASE("HTTP session: older clients are not sent events without data") {
  HttpClient client;
  client.initialize("2025-06-18");
  const Exchange stream = client.get();
  const Exchange call = client.session_tool(1, "hold", {{"key", "k"}});
  client.seconds(2);
  CHECK(stream->body.empty());
  CHECK(call->streams);
  CHECK(call->body.empty());
  client.scripted.tools.answer("k");
  CHECK(methods(call) == Methods{"(answer)"});
}

TEST_CASE("HTTP session: a second request of an id is refused, and the first goes on") {
  HttpClient client;
  client.initialize();
  const Exchange first = client.session_tool(1, "hold", {{"key", "k"}});
  const Exchange second = client.session_tool(1, "echo", {{"text", "x"}});
  CHECK(second->status == 400);
  CHECK(second->json()["error"]["code"] == -32600);
  CHECK(second->json()["id"] == 1);
  CHECK_FALSE(first->begun());
  CHECK_FALSE(client.session_tool("1", "hold", {{"key", "l"}})->begun());
  client.scripted.tools.answer("k");
  CHECK(first->json()["result"]["content"][0]["text"] == "k is answered");
  CHECK(client.session_tool(1, "echo", {{"text", "x"}})->status == 200);
}

TEST_CASE("HTTP session: going away cancels nothing; a notification does") {
  HttpClient client;
  client.initialize();
  const Exchange gone = client.session_tool(1, "hold", {{"key", "a"}});
  gone->go_away();
  CHECK(client.scripted.tools.cancelled.empty());
  CHECK(client.endpoint->calls_in_flight() == 1);
  client.scripted.tools.answer("a");
  CHECK(client.endpoint->calls_in_flight() == 0);

  const Exchange call = client.session_tool(2, "hold", {{"key", "b"}});
  const Exchange reporting = client.session_tool(3, "hold", {{"key", "c"}});
  const Exchange kept = client.session_tool(4, "hold", {{"key", "d"}});
  client.scripted.tools.held.at("c")->progress(1, std::nullopt, "");
  client.notify("notifications/cancelled", {{"requestId", 2}});
  client.notify("notifications/cancelled", {{"requestId", 3}});
  client.notify("notifications/cancelled", {{"requestId", 99}});
  client.notify("notifications/cancelled", Json::object());
  client.in_session({{"method", "notifications/cancelled"}, {"params", {{"requestId", 4}}}});
  client.request(5, "notifications/cancelled", {{"requestId", 4}});
  CHECK(client.scripted.tools.cancelled == std::vector<std::string>{"b", "c"});
  client.scripted.tools.answer("d");
  CHECK(kept->json()["id"] == 4);
  for (const Exchange& exchange : {call, reporting}) {
    CHECK(exchange->over);
    const Methods told = methods(exchange);
    CHECK(std::find(told.begin(), told.end(), "(answer)") == told.end());
  }
  CHECK(client.endpoint->calls_in_flight() == 0);
  CHECK_FALSE(client.session_tool(2, "hold", {{"key", "d"}})->begun());
}

TEST_CASE("HTTP session: a cancelled request of a client that takes no streams is over, too") {
  HttpClient client;
  client.initialize();
  const Exchange call =
      client.in_session({{"jsonrpc", "2.0"},
                         {"id", 1},
                         {"method", "tools/call"},
                         {"params", {{"name", "hold"}, {"arguments", {{"key", "k"}}}}}},
                        {{"Accept", "application/json"}});
  client.notify("notifications/cancelled", {{"requestId", 1}});
  CHECK(call->status == 204);
}

// --- batches ---------------------------------------------------------------------------------

TEST_CASE("HTTP session: a batch is answered as one, once all of it is") {
  HttpClient client;
  client.initialize("2025-03-26");
  const Json hold = {{"jsonrpc", "2.0"},
                     {"id", 1},
                     {"method", "tools/call"},
                     {"params", {{"name", "hold"}, {"arguments", {{"key", "k"}}}}}};
  const Json ping = {{"jsonrpc", "2.0"}, {"id", 2}, {"method", "ping"}};
  const Json note = {{"jsonrpc", "2.0"}, {"method", "notifications/x"}};
  const Exchange exchange = client.in_session(Json::array({hold, ping, note}));
  CHECK_FALSE(exchange->begun());
  CHECK(client.request(2, "ping")->status == 400);  // in flight, as its batch is
  client.scripted.tools.answer("k");
  CHECK(exchange->status == 200);
  CHECK(exchange->json().size() == 2);
  CHECK(client.request(2, "ping")->status == 200);
  CHECK(client.in_session(Json::array({note}))->status == 202);
  CHECK(client.in_session(Json::array())->status == 400);
}

TEST_CASE("HTTP session: a batch all of whose requests are cancelled is over") {
  HttpClient client;
  client.initialize("2025-03-26");
  const auto hold = [](int id, const char* key) {
    return Json{{"jsonrpc", "2.0"},
                {"id", id},
                {"method", "tools/call"},
                {"params", {{"name", "hold"}, {"arguments", {{"key", key}}}}}};
  };
  const Exchange exchange = client.in_session(Json::array({hold(1, "a"), hold(2, "b")}));
  client.notify("notifications/cancelled", {{"requestId", 1}});
  CHECK_FALSE(exchange->begun());
  client.notify("notifications/cancelled", {{"requestId", 2}});
  CHECK(exchange->over);
  CHECK(client.endpoint->calls_in_flight() == 0);
}

// --- GETs ------------------------------------------------------------------------------------

TEST_CASE("HTTP session: what belongs to no request goes over the stream of a GET") {
  HttpClient client;
  client.initialize();
  const Exchange stream = client.get();
  CHECK(stream->status == 200);
  CHECK(stream->field("Content-Type") == "text/event-stream");
  client.request(1, "resources/subscribe", {{"uri", "note://a"}});
  client.request(2, "logging/setLevel", {{"level", "info"}});
  client.scripted.server.resource_updated("note://a");
  client.scripted.server.resource_updated("note://b");
  client.scripted.server.tools_list_changed();
  client.scripted.server.log(mcp::LogLevel::Error, "here", "there");
  CHECK(methods(stream) == Methods{"(priming)", "notifications/resources/updated",
                                   "notifications/tools/list_changed", "notifications/message"});
  client.request(3, "resources/unsubscribe", {{"uri", "note://a"}});
  CHECK_FALSE(client.scripted.server.has_subscriber("note://a"));
}

TEST_CASE("HTTP session: another GET takes the place of the first") {
  HttpClient client;
  client.initialize();
  const Exchange first = client.get();
  const Exchange second = client.get();
  CHECK(first->over);
  client.scripted.server.tools_list_changed();
  CHECK(methods(first) == Methods{"(priming)"});
  CHECK(methods(second) == Methods{"(priming)", "notifications/tools/list_changed"});
  first->go_away();
  client.scripted.server.tools_list_changed();
  CHECK(second->events().size() == 3);
}

TEST_CASE("HTTP session: what was said while nobody listened is said to who comes next, once") {
  HttpClient client;
  client.initialize();
  client.scripted.server.tools_list_changed();
  const Exchange first = client.get();
  CHECK(methods(first) == Methods{"notifications/tools/list_changed", "(priming)"});
  first->go_away();
  client.scripted.server.resources_list_changed();
  const Exchange second = client.get();
  CHECK(methods(second) == Methods{"notifications/resources/list_changed", "(priming)"});
  const Exchange third = client.get();
  CHECK(methods(third) == Methods{"(priming)"});
}

TEST_CASE("HTTP session: a GET that names an event goes on behind it") {
  HttpClient client;
  client.initialize();
  const Exchange first = client.get();
  client.scripted.server.tools_list_changed();
  const std::string seen = last_id(first);
  client.scripted.server.resources_list_changed();
  first->go_away();
  client.scripted.server.tools_list_changed();
  const Exchange second = client.get({{"Last-Event-ID", seen}});
  CHECK(methods(second) == Methods{"notifications/resources/list_changed",
                                   "notifications/tools/list_changed", "(priming)"});
}

TEST_CASE("HTTP session: a request whose stream broke is answered over a GET") {
  HttpClient client;
  client.initialize();
  const Exchange unasked = client.get();
  const Exchange post = client.session_tool(1, "hold", {{"key", "k"}});
  const auto call = client.scripted.tools.held.at("k");
  call->progress(1, std::nullopt, "");
  const std::string seen = last_id(post);
  post->go_away();
  call->progress(2, std::nullopt, "");
  client.scripted.server.tools_list_changed();
  const Exchange resumed = client.get({{"Last-Event-ID", seen}});
  CHECK(methods(resumed) == Methods{"notifications/progress", "(priming)"});
  call->progress(3, std::nullopt, "");
  client.scripted.tools.answer("k");
  CHECK(methods(resumed) ==
        Methods{"notifications/progress", "(priming)", "notifications/progress", "(answer)"});
  CHECK(resumed->over);
  CHECK_FALSE(unasked->over);
  CHECK(methods(unasked) == Methods{"(priming)", "notifications/tools/list_changed"});
}

TEST_CASE(
    "HTTP session: an answer that was given meanwhile is still there, until it was asked for") {
  HttpClient client;
  client.initialize();
  const Exchange post = client.session_tool(1, "hold", {{"key", "k"}});
  client.seconds(2);
  const std::string seen = last_id(post);
  REQUIRE_FALSE(seen.empty());
  post->go_away();
  client.scripted.tools.answer("k");
  const Exchange resumed = client.get({{"Last-Event-ID", seen}});
  CHECK(methods(resumed) == Methods{"(answer)"});
  CHECK(resumed->over);
  CHECK(client.get({{"Last-Event-ID", last_id(resumed)}})->status == 400);
}

TEST_CASE("HTTP session: a client that is let go comes back for its answer") {
  const bool early = GENERATE(true, false);
  HttpClient client;
  client.initialize();
  const Exchange post = client.session_tool(1, "hold", {{"key", "k"}});
  client.scripted.tools.held.at("k")->let_client_go();
  CHECK(post->over);
  CHECK(methods(post) == Methods{"(priming)"});
  if (early) client.scripted.tools.answer("k");
  const Exchange resumed = client.get({{"Last-Event-ID", last_id(post)}});
  if (!early) client.scripted.tools.answer("k");
  CHECK(resumed->over);
  CHECK(methods(resumed).back() == "(answer)");
}

TEST_CASE("HTTP session: a client that could not come back is not let go") {
  HttpClient client;
  client.initialize("2025-06-18");
  const Exchange post = client.session_tool(1, "hold", {{"key", "k"}});
  client.scripted.tools.held.at("k")->let_client_go();
  CHECK_FALSE(post->over);
  client.scripted.tools.answer("k");
  CHECK(post->over);
  CHECK(post->status == 200);
}

TEST_CASE("HTTP session: a client that resumes before its loss was noticed has the stream alone") {
  HttpClient client;
  client.initialize();
  const Exchange post = client.session_tool(1, "hold", {{"key", "k"}});
  client.scripted.tools.held.at("k")->progress(1, std::nullopt, "");
  const Exchange resumed = client.get({{"Last-Event-ID", last_id(post)}});
  CHECK(post->over);
  client.scripted.tools.answer("k");
  CHECK(methods(post) == Methods{"(priming)", "notifications/progress"});
  CHECK(methods(resumed) == Methods{"(priming)", "(answer)"});
}

TEST_CASE("HTTP session: an event that is no event of the session resumes nothing") {
  HttpClient client;
  client.initialize();
  const Exchange pending = client.session_tool(1, "hold", {{"key", "k"}});
  for (const char* id : {"nonsense", "", "7-1", "1-1", "2-0", "0", "-1"}) {
    INFO(id);
    const Exchange exchange = client.get({{"Last-Event-ID", id}});
    CHECK(exchange->status == 400);
  }
  CHECK_FALSE(pending->begun());
}

TEST_CASE("HTTP session: streams of either kind say that they are alive") {
  HttpClient client;
  client.initialize();
  const Exchange stream = client.get();
  const Exchange call = client.session_tool(1, "hold", {{"key", "k"}});
  client.seconds(46);
  CHECK(stream->body.ends_with("\n\n:\n\n:\n\n"));
  CHECK(call->body.ends_with("\n\n:\n\n"));
}

// --- questions -------------------------------------------------------------------------------

namespace {

const Json kForm = {{"type", "object"}, {"properties", {{"name", {{"type", "string"}}}}}};
const Json kAsks = {{"elicitation", Json::object()}};

void ask(HttpClient& client, std::string& said) {
  client.scripted.tools.held.at("k")->ask({.message = "Who?", .requested_schema = kForm},
                                          [&said](const Result<mcp::Answer>& answer) {
                                            said = answer ? answer.value().content.dump() : "none";
                                          });
}

Exchange answer(HttpClient& client, const Json& question) {
  return client.in_session({{"jsonrpc", "2.0"},
                            {"id", question["id"]},
                            {"result", {{"action", "accept"}, {"content", {{"name", "Ada"}}}}}});
}

}  // namespace

TEST_CASE("HTTP session: a call asks over its own stream, and is answered by another POST") {
  HttpClient client;
  client.initialize("2025-11-25", kAsks);
  const Exchange unasked = client.get();
  const Exchange call = client.session_tool(1, "hold", {{"key", "k"}});
  std::string said;
  ask(client, said);
  CHECK(methods(call) == Methods{"(priming)", "elicitation/create"});
  CHECK(methods(unasked) == Methods{"(priming)"});
  const Exchange reply = answer(client, call->events()[1].json());
  CHECK(reply->status == 202);
  CHECK(said == R"({"name":"Ada"})");
  client.scripted.tools.answer("k");
  CHECK(methods(call).back() == "(answer)");
}

TEST_CASE("HTTP session: a question outlives its stream, and finds a client that takes none") {
  HttpClient client;
  client.initialize("2025-11-25", kAsks);
  std::string said;
  Exchange asked;
  const bool json_only = GENERATE(false, true);
  if (json_only) {
    client.in_session({{"jsonrpc", "2.0"},
                       {"id", 1},
                       {"method", "tools/call"},
                       {"params", {{"name", "hold"}, {"arguments", {{"key", "k"}}}}}},
                      {{"Accept", "application/json"}});
    ask(client, said);
    asked = client.get();
    CHECK(methods(asked) == Methods{"elicitation/create", "(priming)"});
  } else {
    const Exchange call = client.session_tool(1, "hold", {{"key", "k"}});
    client.seconds(2);
    call->go_away();
    ask(client, said);
    asked = client.get({{"Last-Event-ID", last_id(call)}});
    CHECK(methods(asked) == Methods{"elicitation/create", "(priming)"});
  }
  answer(client, asked->events()[0].json());
  CHECK(said == R"({"name":"Ada"})");
}

// --- the end ---------------------------------------------------------------------------------

TEST_CASE(
    "HTTP session: a server that ends says nothing more unasked, and answers what it was asked") {
  HttpClient client;
  client.initialize();
  const Exchange stream = client.get();
  const Exchange call = client.session_tool(1, "hold", {{"key", "k"}});
  client.endpoint->close();
  CHECK(stream->over);
  CHECK(client.endpoint->calls_in_flight() == 1);
  CHECK(client.request(2, "ping")->status == 503);
  CHECK(client.get()->status == 503);
  client.scripted.tools.answer("k");
  CHECK(call->status == 200);
  CHECK(client.endpoint->calls_in_flight() == 0);
}

TEST_CASE("HTTP session: both eras are served beside each other, whatever the other has said") {
  HttpClient client;
  client.initialize();
  const Exchange legacy = client.session_tool(1, "hold", {{"key", "a"}});
  const Exchange modern = client.tool(1, "hold", {{"key", "b"}});
  client.scripted.tools.answer("b");
  CHECK(modern->json()["result"]["resultType"] == "complete");
  CHECK_FALSE(legacy->begun());
  client.scripted.tools.answer("a");
  CHECK_FALSE(legacy->json()["result"].contains("resultType"));
  // The modern era's _meta within a session's POST: served statelessly, under its own rules.
  CHECK(client.in_session(HttpClient::modern(3, "tools/list"))->status == 400);
}

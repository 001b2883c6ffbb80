#include "mcp/connection.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mcp/server.h"
#include "support/catch.h"
#include "support/scripted_server.h"

// Several ways to one server, and what each message is said to belong to.
using namespace pyember;
using mcp::Json;
using Kind = mcp::Envelope::Kind;

namespace {

const std::string kInitialize =
    R"({"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}}}})";
const std::string kInitialized = R"({"jsonrpc":"2.0","method":"notifications/initialized"})";

Json meta(Json capabilities = Json::object()) {
  return {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
          {"io.modelcontextprotocol/clientCapabilities", std::move(capabilities)}};
}

// A message with its envelope.
struct Sent {
  Json message;
  Kind kind;
  std::string about;  // the id's text; empty: none
  int error_code;
};

// A connection whose output keeps what was sent, and may let go of the connection at some point.
class Client : public mcp::Output {
 public:
  explicit Client(mcp::Server& server, mcp::Connection::Options options = {})
      : connection_(std::make_unique<mcp::Connection>(server, *this, std::move(options))) {}

  void send(std::string&& message, const mcp::Envelope& envelope) override {
    sent.push_back({Json::parse(message), envelope.kind,
                    envelope.about != nullptr ? envelope.about->text() : "", envelope.error_code});
    if (sent.size() == leave_after) connection_.reset();
  }

  void say(const std::string& text) {
    connection_->receive_message(mcp::parse_json(text), text, nullptr);
  }
  void tell(const Json& message) { say(mcp::to_json_text(message)); }
  void request(const Json& id, const char* method, Json params, Json with = meta()) {
    if (!with.is_null()) params["_meta"] = std::move(with);
    tell({{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}});
  }
  void hold(const Json& id, const char* key, Json with = meta()) {
    request(id, "tools/call", {{"name", "hold"}, {"arguments", {{"key", key}}}}, std::move(with));
  }
  void listen(const Json& id, const char* uri) {
    request(id, "subscriptions/listen",
            {{"notifications", {{"toolsListChanged", true}, {"resourceSubscriptions", {uri}}}}});
  }
  void initialize() {
    say(kInitialize);
    say(kInitialized);
    sent.clear();
  }

  mcp::Connection& connection() { return *connection_; }
  bool left() const { return connection_ == nullptr; }
  void leave() { connection_.reset(); }

  std::vector<Sent> sent;
  std::size_t leave_after = 0;  // messages; 0: never

 private:
  std::unique_ptr<mcp::Connection> connection_;
};

// A server without a connection.
struct Place {
  test::ScriptedTools tools;
  test::ScriptedResources resources;
  mcp::Server server{{"s", "", "1"}, tools.catalog, resources};
};

}  // namespace

// --- who is told what ----------------------------------------------------------------------------

TEST_CASE("Connection: each gets its own answers, also to the same ids") {
  Place place;
  Client one(place.server), two(place.server);
  one.hold(1, "a");
  two.hold(1, "b");
  CHECK(place.server.in_flight() == 2);
  CHECK(one.connection().in_flight() == 1);
  place.tools.answer("b");
  CHECK(one.sent.empty());
  REQUIRE(two.sent.size() == 1);
  place.tools.answer("a");
  CHECK(one.sent.size() == 1);
  CHECK(place.server.in_flight() == 0);
}

TEST_CASE("Connection: what a server tells its subscribers goes to all of them") {
  Place place;
  Client listener(place.server), other(place.server), old(place.server);
  listener.listen("l", "note://a");
  other.listen(5, "note://b");
  old.initialize();
  old.say(R"({"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"note://a"}})");
  for (Client* each : {&listener, &other, &old}) each->sent.clear();

  place.server.resource_updated("note://a");
  place.server.resource_updated("note://c");
  REQUIRE(listener.sent.size() == 1);
  CHECK(listener.sent[0].kind == Kind::Notification);
  CHECK(listener.sent[0].about == "\"l\"");
  CHECK(other.sent.empty());
  REQUIRE(old.sent.size() == 1);
  CHECK(old.sent[0].about.empty());

  place.server.tools_list_changed();
  CHECK(listener.sent.size() == 2);
  CHECK(other.sent.at(0).about == "5");
  CHECK(old.sent.size() == 2);
}

TEST_CASE("Connection: subscriptions end with it") {
  Place place;
  {
    Client one(place.server), two(place.server);
    one.listen(1, "note://a");
    two.listen(1, "note://a");
    two.leave();
    CHECK(place.server.has_subscriber("note://a"));
    one.connection().cancel_all();
    CHECK_FALSE(place.server.has_subscriber("note://a"));
    one.initialize();
    one.say(
        R"({"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"note://b"}})");
    CHECK(place.server.has_subscriber("note://b"));
    one.say(kInitialize);
    CHECK_FALSE(place.server.has_subscriber("note://b"));
    one.say(
        R"({"jsonrpc":"2.0","id":3,"method":"resources/subscribe","params":{"uri":"note://c"}})");
  }
  CHECK_FALSE(place.server.has_subscriber("note://c"));
  CHECK(place.server.in_flight() == 0);
}

TEST_CASE("Connection: a server that ends gives listeners their result") {
  Place place;
  Client client(place.server);
  client.listen(9, "note://a");
  client.sent.clear();
  client.connection().end_subscriptions();
  REQUIRE(client.sent.size() == 1);
  CHECK(client.sent[0].kind == Kind::Answer);
  CHECK(client.sent[0].about == "9");
  CHECK(client.sent[0].message["result"]["resultType"] == "complete");
  CHECK_FALSE(place.server.has_subscriber("note://a"));
}

// --- envelopes -----------------------------------------------------------------------------------

TEST_CASE("Connection: what belongs to a request says so") {
  Place place;
  Client client(place.server);
  Json with = meta();
  with["progressToken"] = "p";
  with["io.modelcontextprotocol/logLevel"] = "info";
  client.hold("x", "k", with);
  place.tools.held.at("k")->progress(1, std::nullopt, "");
  place.tools.held.at("k")->log(mcp::LogLevel::Error, "", "oh");
  place.tools.answer("k");
  REQUIRE(client.sent.size() == 3);
  CHECK(client.sent[0].kind == Kind::Notification);
  CHECK(client.sent[1].kind == Kind::Notification);
  CHECK(client.sent[2].kind == Kind::Answer);
  CHECK(client.sent[2].error_code == 0);
  for (const Sent& each : client.sent) CHECK(each.about == "\"x\"");
}

TEST_CASE("Connection: an error tells its code beside") {
  Place place;
  Client client(place.server);
  client.request(1, "no/method", Json::object());
  client.say("{");
  client.say("[]");
  client.say(R"({"jsonrpc":"2.0","id":4})");
  client.request(5, "tools/call", {{"name", "fail"}});
  REQUIRE(client.sent.size() == 5);
  CHECK(client.sent[0].error_code == -32601);
  CHECK(client.sent[0].about == "1");
  CHECK(client.sent[1].error_code == -32700);
  CHECK(client.sent[1].about.empty());
  CHECK(client.sent[2].error_code == -32600);
  CHECK(client.sent[3].about == "4");
  CHECK(client.sent[4].error_code == -32603);
}

TEST_CASE("Connection: an id that is in flight is refused beside the request that has it") {
  Place place;
  Client client(place.server);
  client.hold(1, "k");
  client.hold(1, "other");
  REQUIRE(client.sent.size() == 1);
  CHECK(client.sent[0].message["id"] == 1);
  CHECK(client.sent[0].about.empty());
  place.tools.answer("k");
  CHECK(client.sent[1].about == "1");
}

TEST_CASE("Connection: a question beside a call belongs to the call's request") {
  Place place;
  Client client(place.server);
  client.initialize();
  client.hold(3, "k", nullptr);
  place.tools.held.at("k")->ask({"Really?", {{"type", "object"}}}, [](const auto&) {});
  REQUIRE(client.sent.size() == 1);
  CHECK(client.sent[0].kind == Kind::Request);
  CHECK(client.sent[0].about == "3");
  place.tools.answer("k");
  REQUIRE(client.sent.size() == 3);
  CHECK(client.sent[1].message["method"] == "notifications/cancelled");
  CHECK(client.sent[1].about == "3");
}

TEST_CASE("Connection: a batch has one answer, about one of its requests") {
  Place place;
  Client client(place.server);
  client.say(
      R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-03-26"}})");
  client.sent.clear();
  client.say(
      R"([{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"hold","arguments":{"key":"k"}}}])");
  CHECK(client.sent.empty());
  place.tools.answer("k");
  REQUIRE(client.sent.size() == 1);
  CHECK(client.sent[0].message.size() == 2);
  CHECK(client.sent[0].about == "2");
}

// --- questions over several connections ----------------------------------------------------------

TEST_CASE("Connection: a call that asks is gone on with over another one") {
  Place place;
  Client one(place.server);
  const Json capabilities = {{"elicitation", Json::object()}};
  one.hold(1, "k", meta(capabilities));
  std::string said;
  place.tools.held.at("k")->ask({"Really?", {{"type", "object"}}},
                                [&said](const Result<mcp::Answer>& answer) {
                                  said = answer.ok() ? "answered" : answer.error().message;
                                });
  REQUIRE(one.sent.size() == 1);
  const Json asked = one.sent[0].message["result"];
  CHECK(asked["resultType"] == "input_required");
  one.leave();
  CHECK(said.empty());
  CHECK(place.server.waiting() == 1);

  Client two(place.server);
  two.request(
      8, "tools/call",
      {{"name", "hold"},
       {"arguments", {{"key", "k"}}},
       {"requestState", asked["requestState"]},
       {"inputResponses", {{asked["inputRequests"].begin().key(), {{"action", "accept"}}}}}},
      meta(capabilities));
  CHECK(said == "answered");
  place.tools.answer("k");
  REQUIRE(two.sent.size() == 1);
  CHECK(two.sent[0].about == "8");
}

TEST_CASE("Connection: a call that waits is cancelled with its server") {
  auto place = std::make_unique<Place>();
  Client one(place->server);
  one.hold(1, "k", meta({{"elicitation", Json::object()}}));
  const auto call = place->tools.held.at("k");
  call->on_cancel(nullptr);
  call->ask({"Really?", {{"type", "object"}}}, [](const auto&) {});
  one.leave();
  place.reset();
  CHECK(call->cancelled());
}

// --- the end of one ------------------------------------------------------------------------------

TEST_CASE("Connection: cancelling all answers nothing") {
  Place place;
  Client client(place.server);
  client.hold(1, "a");
  client.hold(2, "b");
  client.listen(3, "note://a");
  client.sent.clear();
  client.connection().cancel_all();
  CHECK(place.tools.cancelled.size() == 2);
  CHECK(client.connection().in_flight() == 0);
  CHECK(client.sent.empty());
  client.hold(1, "c");
  place.tools.answer("c");
  CHECK(client.sent.size() == 1);
}

TEST_CASE("Connection: an output may end it with any message") {
  Place place;
  Client client(place.server);
  SECTION("an answer that is known at once") {
    client.leave_after = 1;
    client.request(1, "tools/list", Json::object());
  }
  SECTION("an answer that comes later, others in flight") {
    client.hold(1, "a");
    client.hold(2, "b");
    client.leave_after = 1;
    place.tools.answer("a");
    CHECK(place.tools.cancelled == std::vector<std::string>{"b"});
  }
  SECTION("the first of two notifications") {
    client.listen(1, "note://a");
    client.listen(2, "note://a");
    client.leave_after = 3;
    place.server.resource_updated("note://a");
  }
  SECTION("a list that has changed") {
    client.listen(1, "note://a");
    client.listen(2, "note://a");
    client.leave_after = 3;
    place.server.tools_list_changed();
  }
  SECTION("the acknowledgement of a subscription") {
    client.leave_after = 1;
    client.listen(1, "note://a");
  }
  SECTION("the last word on a subscription") {
    client.listen(1, "note://a");
    client.listen(2, "note://b");
    client.leave_after = 3;
    client.connection().end_subscriptions();
  }
  SECTION("progress") {
    Json with = meta();
    with["progressToken"] = 1;
    client.hold(1, "a", with);
    const auto call = place.tools.held.at("a");
    client.leave_after = 1;
    call->progress(1, 2, "half");
    CHECK(call->cancelled());
  }
  SECTION("a question instead of an answer") {
    client.hold(1, "a", meta({{"elicitation", Json::object()}}));
    client.leave_after = 1;
    place.tools.held.at("a")->ask({"?", {{"type", "object"}}}, [](const auto&) {});
    CHECK(place.server.waiting() == 1);
  }
  SECTION("a question beside a call") {
    client.initialize();
    client.hold(1, "a", nullptr);
    client.leave_after = 1;
    std::string said;
    place.tools.held.at("a")->ask({"?", {{"type", "object"}}},
                                  [&said](const auto& answer) { said = answer.error().message; });
    CHECK_FALSE(said.empty());
  }
  SECTION("a batch's answer") {
    client.say(
        R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-03-26"}})");
    client.leave_after = 2;
    client.say(
        R"([{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}])");
  }
  SECTION("one of several lines") {
    client.leave_after = 1;
    client.connection().receive("{}\n{}\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n");
    CHECK(client.sent.size() == 1);
  }
  CHECK(client.left());
  CHECK(client.sent.size() == client.leave_after);
  CHECK(place.server.in_flight() == 0);
  CHECK_FALSE(place.server.has_subscriber("note://a"));
  place.server.tools_list_changed();
  CHECK(client.sent.size() == client.leave_after);
}

TEST_CASE("Connection: others may come and go while subscribers are told") {
  Place place;
  Client first(place.server), second(place.server), third(place.server);
  for (Client* each : {&first, &second, &third}) each->listen(1, "note://a");
  first.leave_after = 2;
  third.leave_after = 2;
  place.server.tools_list_changed();
  CHECK(first.left());
  CHECK(second.sent.size() == 2);
  CHECK(third.left());
  place.server.tools_list_changed();
  CHECK(second.sent.size() == 3);
}

// --- who may call what ---------------------------------------------------------------------------

TEST_CASE("Connection: tools that a caller may not call are neither listed nor called") {
  Place place;
  const auto may_call = [](std::string_view tool) { return tool == "echo" || tool == "hold"; };
  Client client(place.server, {may_call});
  client.request(1, "tools/list", Json::object());
  const Json listed = client.sent.at(0).message["result"];
  REQUIRE(listed["tools"].size() == 2);
  CHECK(listed["cacheScope"] == "private");
  client.request(2, "tools/call", {{"name", "speak"}});
  CHECK(client.sent.at(1).error_code == static_cast<int>(mcp::RpcCode::Forbidden));
  client.request(3, "tools/call", {{"name", "no such"}});
  CHECK(client.sent.at(2).error_code == -32602);
  client.request(4, "tools/call", {{"name", "echo"}, {"arguments", {{"text", "hi"}}}});
  CHECK(client.sent.at(3).error_code == 0);
}

TEST_CASE("Connection: pages hold what a caller may call alone") {
  test::ScriptedTools tools;
  test::ScriptedResources resources;
  auto bounds = mcp::ServerBounds::standard();
  bounds.page_size = 1;
  mcp::Server server({"s", "", "1"}, tools.catalog, resources, bounds);
  Client client(server, {[](std::string_view tool) { return tool == "echo" || tool == "speak"; }});
  Json params = Json::object();
  std::set<std::string> seen;
  for (int page = 0; page < 2; ++page) {
    client.request(page, "tools/list", params);
    const Json result = client.sent.back().message["result"];
    REQUIRE(result["tools"].size() == 1);
    seen.insert(result["tools"][0]["name"].get<std::string>());
    if (page == 1) CHECK_FALSE(result.contains("nextCursor"));
    if (page == 0) params["cursor"] = result["nextCursor"];
  }
  CHECK(seen == std::set<std::string>{"echo", "speak"});
}

// --- bounds --------------------------------------------------------------------------------------

TEST_CASE("Connection: all of a server's together have so many requests in flight") {
  test::ScriptedTools tools;
  test::ScriptedResources resources;
  auto bounds = mcp::ServerBounds::standard();
  bounds.requests_in_flight = 2;
  mcp::Server server({"s", "", "1"}, tools.catalog, resources, bounds);
  Client one(server), two(server), three(server);
  one.hold(1, "a");
  two.hold(1, "b");
  three.hold(1, "c");
  CHECK(three.sent.at(0).error_code == -32603);
  two.leave();
  three.hold(2, "c");
  CHECK(three.sent.size() == 1);
  CHECK(server.in_flight() == 2);
}

// --- what a client says of itself ----------------------------------------------------------------

TEST_CASE("Connection: a call knows what its client can do") {
  Place place;
  Client client(place.server);
  client.hold(1, "a", meta(Json::parse(R"({
    "elicitation": {"url": {}}, "roots": {"listChanged": true}, "sampling": 7,
    "extensions": {"io.modelcontextprotocol/tasks": {}, "io.modelcontextprotocol/ui": []}})")));
  const mcp::ClientCapabilities modern = place.tools.held.at("a")->client();
  CHECK(modern == mcp::ClientCapabilities{.urls = true, .roots = true, .tasks = true});

  client.say(R"({"jsonrpc":"2.0","id":2,"method":"initialize","params":{
    "protocolVersion":"2025-06-18","capabilities":{"elicitation":{"form":{},"url":{}},"sampling":{},
    "extensions":{"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":{}}}}})");
  client.hold(3, "b", nullptr);
  const mcp::ClientCapabilities old = place.tools.held.at("b")->client();
  CHECK(old == mcp::ClientCapabilities{.forms = true, .sampling = true, .ui = true});
  client.hold(4, "c");
  CHECK(place.tools.held.at("c")->client() == mcp::ClientCapabilities());
}

TEST_CASE("Connection: a call knows its place in the client's trace") {
  Place place;
  Client client(place.server);
  const auto trace = [&](Json more) {
    Json with = meta();
    with.update(more);
    client.hold(client.sent.size() + 1, "k", with);
    const auto found = place.tools.held.at("k")->trace();
    place.tools.answer("k");
    return found;
  };
  const char* const kParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  CHECK(trace(Json::object()) == nullptr);
  const auto whole =
      trace({{"traceparent", kParent}, {"tracestate", "a=1"}, {"baggage", "user=7"}});
  REQUIRE(whole != nullptr);
  CHECK(whole->traceparent == kParent);
  CHECK(whole->tracestate == "a=1");
  CHECK(whole->baggage == "user=7");
  CHECK(trace({{"tracestate", "a=1"}}) == nullptr);
  CHECK(trace({{"traceparent", 7}}) == nullptr);
  CHECK(trace({{"traceparent", "a\r\nX: y"}}) == nullptr);
  CHECK(trace({{"baggage", std::string(8193, 'b')}}) == nullptr);
  CHECK(mcp::trace_id(*whole) == "0af7651916cd43dd8448eb211c80319c");
  CHECK(mcp::trace_meta(*whole) ==
        Json{{"traceparent", kParent}, {"tracestate", "a=1"}, {"baggage", "user=7"}});
  const auto later =
      trace({{"traceparent", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"}});
  REQUIRE(later != nullptr);
  CHECK(mcp::trace_meta(*later).size() == 1);
  for (const char* none : {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
                           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                           "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                           "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                           "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                           "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                           "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-1", ""}) {
    INFO(none);
    const auto rest = trace({{"traceparent", none}, {"tracestate", "a=1"}, {"baggage", "b=2"}});
    REQUIRE(rest != nullptr);
    CHECK(mcp::trace_meta(*rest) == Json{{"baggage", "b=2"}});
    CHECK(mcp::trace_id(*rest).empty());
  }
}

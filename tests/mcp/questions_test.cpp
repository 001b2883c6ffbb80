#include "base/limits.h"
#include "mcp/connection_impl.h"
#include "mcp/question.h"
#include "mcp/server.h"
#include "support/catch.h"
#include "support/scripted_server.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

// Questions of calls to the person behind the client, in both eras.
using namespace pyember;
using Catch::Contains;
using mcp::Answer;
using mcp::Json;
using test::ScriptedServer;

namespace {

const Json kForm = {{"type", "object"}, {"properties", {{"all", {{"type", "boolean"}}}}}};

// What became of a question.
struct Fate {
  std::string said = "waits";
  Json content;
};

class Client {
 public:
  explicit Client(mcp::ServerBounds bounds = mcp::ServerBounds::standard()) : scripted(bounds) {}

  void initialize(const std::string& version, const Json& capabilities) {
    send({{"id", "i"},
          {"method", "initialize"},
          {"params", {{"protocolVersion", version}, {"capabilities", capabilities}}}});
    take();
    send({{"method", "notifications/initialized"}});
  }
  void send(Json message) {
    message["jsonrpc"] = "2.0";
    scripted.connection.receive(mcp::to_json_text(message) + "\n");
  }
  void call(const Json& id, const std::string& key = "k") {
    send({{"id", id}, {"method", "tools/call"}, {"params", params(key)}});
  }
  void modern_call(const Json& id, const Json& more = Json::object(), const std::string& key = "k",
                   const Json& elicitation = Json::object()) {
    Json with = params(key);
    with.update(more);
    Json capabilities = Json::object();
    if (!elicitation.is_null()) capabilities["elicitation"] = elicitation;
    with["_meta"] = {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                     {"io.modelcontextprotocol/clientCapabilities", capabilities}};
    send({{"id", id}, {"method", "tools/call"}, {"params", with}});
  }
  static Json params(const std::string& key) {
    return {{"name", "hold"}, {"arguments", {{"key", key}}}};
  }

  mcp::ToolCall& held(const std::string& key = "k") { return *scripted.tools.held.at(key); }
  std::shared_ptr<Fate> ask(const std::string& message, const std::string& key = "k") {
    const auto fate = std::make_shared<Fate>();
    number = held(key).ask({message, kForm}, [fate](const Result<Answer>& answer) {
      CHECK(fate->said == "waits");  // once only
      if (!answer) {
        fate->said = answer.error().message;
        return;
      }
      constexpr const char* kWords[] = {"accept", "decline", "cancel"};
      fate->said = kWords[static_cast<int>(answer.value().action)];
      fate->content = answer.value().content;
    });
    return fate;
  }

  Json take() {
    const std::string line = scripted.output.take();
    return line.empty() ? Json() : Json::parse(line);
  }
  bool quiet() const { return scripted.output.lines.empty(); }
  Json accept(const Json& content = Json::object()) {
    return {{"action", "accept"}, {"content", content}};
  }

  ScriptedServer scripted;
  std::uint64_t number = 0;
};

struct HandshakeClient : Client {
  explicit HandshakeClient(const char* version = "2025-11-25") {
    initialize(version, {{"elicitation", Json::object()}});
  }
};

}  // namespace

// --- answers ------------------------------------------------------------------------------------

TEST_CASE("Answers: what a client says is read with care") {
  const auto read = [](const char* text) {
    return mcp::read_answer(Json::parse(text), {"Really?", kForm});
  };
  CHECK(read(R"({"action":"accept","content":{"all":true}})").value().content["all"] == true);
  CHECK(read(R"({"action":"accept"})").value().content == Json::object());
  CHECK(read(R"({"action":"accept","content":null})").ok());
  CHECK(read(R"({"action":"decline","content":5})").value().action == Answer::Action::Decline);
  CHECK(read(R"({"action":"cancel"})").value().action == Answer::Action::Cancel);
  for (const char* bad :
       {"{}", "[]", "null", "7", R"({"action":7})", R"({"action":"yes"})",
        R"({"action":"accept","content":[]})", R"({"action":"accept","content":{"all":"true"}})"}) {
    CAPTURE(bad);
    CHECK_FALSE(read(bad).ok());
  }
}

// --- the handshake era
// ----------------------------------------------------------------------------

TEST_CASE("Questions: in the handshake era one is a request beside the call") {
  HandshakeClient client;
  client.call(1);
  const auto fate = client.ask("Really?");
  const Json asked = client.take();
  CHECK(asked["method"] == "elicitation/create");
  CHECK(asked["id"].is_string());
  CHECK(asked["params"]["message"] == "Really?");
  CHECK(asked["params"]["requestedSchema"] == kForm);
  CHECK(fate->said == "waits");
  client.send({{"id", asked["id"]}, {"result", client.accept({{"all", true}})}});
  CHECK(fate->said == "accept");
  CHECK(fate->content["all"] == true);
  CHECK(client.quiet());
  client.scripted.tools.answer("k");
  CHECK(client.take()["id"] == 1);
}

TEST_CASE("Questions: without the capability nobody is asked") {
  const auto capabilities =
      GENERATE(as<std::string>{}, "{}", R"({"elicitation":{"url":{}}})", R"({"elicitation":true})");
  const auto version = GENERATE(as<std::string>{}, "2025-11-25", "2025-06-18");
  Client client;
  client.initialize(version, Json::parse(capabilities));
  client.call(1);
  CHECK_FALSE(client.held().can_ask());
  CHECK_THAT(client.ask("Really?")->said, Contains("capability elicitation"));
  CHECK(client.number == 0);
  CHECK(client.quiet());
}

TEST_CASE("Questions: revisions before elicitation are not asked, whatever they declare") {
  HandshakeClient client("2025-03-26");
  client.call(1);
  CHECK_FALSE(client.held().can_ask());
}

TEST_CASE("Questions: a form among several kinds is enough") {
  Client client;
  client.initialize("2025-11-25", {{"elicitation", {{"form", Json::object()}, {"url", {}}}}});
  client.call(1);
  CHECK(client.held().can_ask());
}

TEST_CASE("Questions: an answer that is none, or an error, is told as such") {
  HandshakeClient client;
  client.call(1);
  const auto one = client.ask("One?");
  client.send({{"id", client.take()["id"]}, {"result", {{"action", "maybe"}}}});
  CHECK_THAT(one->said, Contains("none of accept, decline, cancel"));
  const auto two = client.ask("Two?");
  client.send(
      {{"id", client.take()["id"]}, {"error", {{"code", -32601}, {"message", "no\nthanks"}}}});
  CHECK_THAT(two->said, Contains("the client refused it"));
  const auto three = client.ask("Three?");
  client.send({{"id", client.take()["id"]}, {"error", 7}});
  CHECK_THAT(three->said, Contains("refused it"));
}

TEST_CASE("Questions: responses to nothing are ignored") {
  HandshakeClient client;
  client.call(1);
  const auto fate = client.ask("Really?");
  const Json id = client.take()["id"];
  for (const Json& wrong : {Json("x"), Json(1), Json(nullptr), Json(id.get<std::string>() + "0")}) {
    client.send({{"id", wrong}, {"result", client.accept()}});
  }
  CHECK(fate->said == "waits");
  client.send({{"id", id}, {"result", client.accept()}});
  client.send({{"id", id}, {"result", {{"action", "decline"}}}});
  CHECK(fate->said == "accept");
  CHECK(client.quiet());
}

TEST_CASE("Questions: at most so many are shown at once, the others in their order") {
  HandshakeClient client;
  client.call(1);
  std::vector<std::shared_ptr<Fate>> fates;
  for (int i = 0; i < 12; ++i) fates.push_back(client.ask(std::to_string(i)));
  REQUIRE(client.scripted.output.lines.size() == limits::kQuestionsAtOnce);
  for (int i = 0; i < 12; ++i) {
    const Json asked = client.take();
    CHECK(asked["params"]["message"] == std::to_string(i));
    client.send({{"id", asked["id"]}, {"result", client.accept()}});
    CHECK(fates[static_cast<std::size_t>(i)]->said == "accept");
  }
  CHECK(client.quiet());
}

TEST_CASE("Questions: a call asks no end of them") {
  HandshakeClient client;
  client.call(1);
  for (std::size_t i = 0; i < limits::kMaximumQuestions; ++i) client.ask("?");
  CHECK_THAT(client.ask("?")->said, Contains("wait for their answers already"));
}

TEST_CASE("Questions: one that is withdrawn is taken back from the client") {
  HandshakeClient client;
  client.call(1);
  const auto fate = client.ask("Really?");
  const Json id = client.take()["id"];
  client.held().withdraw(client.number);
  const Json notice = client.take();
  CHECK(notice["method"] == "notifications/cancelled");
  CHECK(notice["params"]["requestId"] == id);
  client.send({{"id", id}, {"result", client.accept()}});
  CHECK(fate->said == "waits");
}

TEST_CASE("Questions: a call that ends takes its questions back") {
  HandshakeClient client;
  client.call(1);
  const auto fate = client.ask("Really?");
  const Json id = client.take()["id"];
  SECTION("answered") {
    client.scripted.tools.answer("k");
    CHECK(client.take()["params"]["requestId"] == id);
    CHECK(client.take()["id"] == 1);
  }
  SECTION("cancelled") {
    client.send({{"method", "notifications/cancelled"}, {"params", {{"requestId", 1}}}});
    CHECK(client.take()["params"]["requestId"] == id);
    CHECK(client.scripted.tools.cancelled == std::vector<std::string>{"k"});
  }
  CHECK_THAT(fate->said, Contains("the call that asks is over"));
  CHECK(client.quiet());
  CHECK_THAT(client.scripted.tools.held.empty() ? "over" : client.ask("Again?")->said,
             Contains("over"));
}

TEST_CASE("Questions: when the client closes its end, nobody answers") {
  HandshakeClient client;
  client.call(1);
  std::vector<std::shared_ptr<Fate>> fates;
  for (int i = 0; i < 12; ++i) fates.push_back(client.ask("?"));
  client.scripted.connection.receive_end();
  for (const auto& fate : fates) CHECK_THAT(fate->said, Contains("closed its end"));
  CHECK_THAT(client.ask("?")->said, Contains("closed its end"));
  CHECK(client.scripted.server.in_flight() == 1);
}

TEST_CASE("Questions: a server that is destroyed drops them without a word") {
  std::shared_ptr<Fate> one;
  std::shared_ptr<Fate> two;
  test::ScriptedTools tools;
  {
    HandshakeClient client;
    client.call(1, "a");
    client.modern_call(2, Json::object(), "b");
    one = client.ask("One?", "a");
    two = client.ask("Two?", "b");
  }
  CHECK_THAT(one->said, Contains("over"));
  CHECK_THAT(two->said, Contains("over"));
}

// --- the modern era
// --------------------------------------------------------------------------------

TEST_CASE("Questions: in the modern era the call is answered with them and made again") {
  Client client;
  client.modern_call(1);
  const auto fate = client.ask("Really?");
  const Json asked = client.take();
  CHECK(asked["id"] == 1);
  const Json& result = asked["result"];
  CHECK(result["resultType"] == "input_required");
  CHECK(result["_meta"].contains("io.modelcontextprotocol/serverInfo"));
  CHECK_FALSE(result.contains("ttlMs"));
  REQUIRE(result["inputRequests"].size() == 1);
  const Json& question = result["inputRequests"]["q1"];
  CHECK(question["method"] == "elicitation/create");
  CHECK(question["params"]["mode"] == "form");
  CHECK(question["params"]["message"] == "Really?");
  CHECK(question["params"]["requestedSchema"] == kForm);
  CHECK(client.scripted.server.in_flight() == 0);
  CHECK(client.scripted.server.waiting() == 1);
  CHECK(fate->said == "waits");

  client.modern_call(
      2, {{"requestState", result["requestState"]},
          {"inputResponses",
           {{"q1", client.accept({{"all", true}})}, {"extra", {{"action", "decline"}}}}}});
  CHECK(fate->said == "accept");
  CHECK(fate->content["all"] == true);
  CHECK(client.quiet());
  CHECK(client.scripted.server.in_flight() == 1);
  CHECK(client.scripted.server.waiting() == 0);
  client.scripted.tools.answer("k");
  const Json answer = client.take();
  CHECK(answer["id"] == 2);
  CHECK(answer["result"]["resultType"] == "complete");
}

TEST_CASE("Questions: a modern request without the capability can't be asked") {
  Client client;
  client.modern_call(1, Json::object(), "k", nullptr);
  CHECK_FALSE(client.held().can_ask());
  client.modern_call(2, Json::object(), "url", {{"url", Json::object()}});
  CHECK_FALSE(client.held("url").can_ask());
  client.modern_call(3, Json::object(), "form", {{"form", Json::object()}});
  CHECK(client.held("form").can_ask());
}

TEST_CASE("Questions: what is asked while a call waits comes with its next answer, together") {
  Client client;
  client.modern_call(1);
  const auto one = client.ask("One?");
  const Json state = client.take()["result"]["requestState"];
  const auto two = client.ask("Two?");
  const auto three = client.ask("Three?");
  CHECK(client.quiet());
  client.modern_call(
      2, {{"requestState", state}, {"inputResponses", {{"q1", {{"action", "decline"}}}}}});
  CHECK(one->said == "decline");
  const Json again = client.take();
  CHECK(again["id"] == 2);
  CHECK(again["result"]["inputRequests"].size() == 2);
  CHECK(again["result"]["requestState"] != state);
  client.modern_call(3, {{"requestState", again["result"]["requestState"]},
                         {"inputResponses", {{"q2", client.accept()}, {"q3", client.accept()}}}});
  CHECK(two->said == "accept");
  CHECK(three->said == "accept");
  CHECK(client.quiet());
  client.scripted.tools.answer("k");
  CHECK(client.take()["id"] == 3);
}

TEST_CASE("Questions: answers that are missing or don't fit are asked for again") {
  Client client;
  client.modern_call(1);
  const auto fate = client.ask("Really?");
  Json result = client.take()["result"];
  int id = 2;
  for (const Json& wrong : {Json(nullptr), Json::array(), Json::object(), Json({{"q1", "yes"}}),
                            Json({{"q1", {{"action", "sure"}}}}),
                            Json({{"q1", {{"action", "accept"}, {"content", {{"all", 1}}}}}})}) {
    client.modern_call(id++, {{"requestState", result["requestState"]}, {"inputResponses", wrong}});
    const Json next = client.take()["result"];
    CHECK(next["resultType"] == "input_required");
    CHECK(next["inputRequests"] == result["inputRequests"]);
    result = next;
  }
  client.modern_call(id++, {{"requestState", result["requestState"]}});
  CHECK(client.take()["result"]["resultType"] == "input_required");
  CHECK(fate->said == "waits");
}

TEST_CASE("Questions: a state is good once, for the call that it was given to") {
  Client client;
  client.modern_call(1);
  client.ask("Really?");
  const Json state = client.take()["result"]["requestState"];
  const Json good = {{"requestState", state}, {"inputResponses", {{"q1", client.accept()}}}};
  const auto refused = [&client] {
    const Json answer = client.take();
    return answer["error"]["code"] == -32602;
  };
  SECTION("a state that was not given") {
    const auto& text = state.get_ref<const std::string&>();
    const std::size_t seal = text.rfind('.');
    std::string later = text;
    ++later[seal - 1];  // of its expiry
    std::string other = text;
    other[0] = other[0] == '0' ? '1' : '0';
    for (const Json& wrong :
         {Json("x"), Json(""), Json(7), Json(nullptr), Json::object(), Json(text + "0"),
          Json(later), Json(other), Json(text.substr(0, seal)), Json(text.substr(0, 32))}) {
      CAPTURE(wrong);
      client.modern_call(2, {{"requestState", wrong}});
      CHECK(refused());
    }
  }
  SECTION("other arguments") {
    client.modern_call(2, good, "other");
    CHECK(refused());
    CHECK(client.scripted.tools.held.count("other") == 0);
  }
  SECTION("another tool") {
    Json other = good;
    other["name"] = "link";
    other["arguments"] = Json::object();
    client.modern_call(2, other);
    CHECK(refused());
  }
  client.modern_call(3, good);
  CHECK(client.quiet());
  client.modern_call(4, good);
  CHECK(refused());
}

TEST_CASE("Questions: the order of a call's arguments is no difference") {
  const auto hash = [](const char* text) { return mcp::structural_hash(Json::parse(text)); };
  CHECK(hash(R"({"a":1,"b":{"c":[1,2],"d":"x"}})") == hash(R"({"b":{"d":"x","c":[1,2]},"a":1})"));
  CHECK(hash(R"({"a":1})") != hash(R"({"a":2})"));
  CHECK(hash(R"({"a":[1,2]})") != hash(R"({"a":[2,1]})"));
  CHECK(hash(R"({"a":"b"})") != hash(R"({"b":"a"})"));
  CHECK(hash(R"({"a":"b","c":"d"})") != hash(R"({"a":"d","c":"b"})"));
}

TEST_CASE("Questions: a call that ends while it waits is answered when it is made again") {
  Client client;
  client.modern_call(1);
  const auto fate = client.ask("Really?");
  const Json state = client.take()["result"]["requestState"];
  client.scripted.tools.answer("k");
  CHECK_THAT(fate->said, Contains("over"));
  CHECK(client.quiet());
  CHECK(client.scripted.server.waiting() == 0);
  client.modern_call(2, {{"requestState", state}, {"inputResponses", {{"q1", client.accept()}}}});
  const Json answer = client.take();
  CHECK(answer["id"] == 2);
  CHECK(answer["result"]["resultType"] == "complete");
}

TEST_CASE("Questions: one that is withdrawn while the call waits is not missed") {
  Client client;
  client.modern_call(1);
  const auto fate = client.ask("Really?");
  const Json state = client.take()["result"]["requestState"];
  client.held().withdraw(client.number);
  client.modern_call(2, {{"requestState", state}, {"inputResponses", {{"q1", client.accept()}}}});
  CHECK(client.quiet());
  CHECK(fate->said == "waits");
  client.scripted.tools.answer("k");
  CHECK(client.take()["id"] == 2);
}

TEST_CASE("Questions: a client that comes back without the capability answers none") {
  Client client;
  client.modern_call(1);
  const auto one = client.ask("One?");
  const Json state = client.take()["result"]["requestState"];
  const auto two = client.ask("Two?");
  client.modern_call(2, {{"requestState", state}}, "k", nullptr);
  CHECK_THAT(one->said, Contains("without the capability"));
  CHECK_THAT(two->said, Contains("without the capability"));
  CHECK(client.quiet());
  client.scripted.tools.answer("k");
  CHECK(client.take()["id"] == 2);
}

TEST_CASE("Questions: progress goes to the request that is open") {
  Client client;
  client.modern_call(1);
  client.ask("Really?");
  const Json state = client.take()["result"]["requestState"];
  client.held().progress(1, {}, "nobody hears it");
  CHECK(client.quiet());
  Json more = {{"requestState", state}, {"inputResponses", {{"q1", client.accept()}}}};
  Json with = Client::params("k");
  with.update(more);
  with["_meta"] = {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                   {"io.modelcontextprotocol/clientCapabilities", Json::object()},
                   {"progressToken", "new"}};
  client.send({{"id", 2}, {"method", "tools/call"}, {"params", with}});
  client.held().progress(2, {}, "heard");
  CHECK(client.take()["params"]["progressToken"] == "new");
}

TEST_CASE("Questions: the request that goes on can be cancelled") {
  Client client;
  client.modern_call(1);
  client.ask("Really?");
  const Json state = client.take()["result"]["requestState"];
  client.send({{"method", "notifications/cancelled"}, {"params", {{"requestId", 1}}}});
  CHECK(client.scripted.tools.cancelled.empty());  // it was answered
  client.modern_call(2, {{"requestState", state}, {"inputResponses", {{"q1", client.accept()}}}});
  client.send({{"method", "notifications/cancelled"}, {"params", {{"requestId", 2}}}});
  CHECK(client.scripted.tools.cancelled == std::vector<std::string>{"k"});
}

TEST_CASE("Questions: at the end of input calls that wait are cancelled") {
  Client client;
  client.modern_call(1);
  const auto fate = client.ask("Really?");
  client.take();
  client.scripted.connection.receive_end();
  CHECK(client.scripted.tools.cancelled == std::vector<std::string>{"k"});
  CHECK_THAT(fate->said, Contains("over"));
}

TEST_CASE("Questions: as many calls wait as there is room for; answered ones make room") {
  Client client;
  std::vector<Json> states;
  for (std::size_t i = 0; i < limits::kWaitingCalls; ++i) {
    const std::string key = std::to_string(i);
    client.modern_call(i, Json::object(), key);
    client.ask("?", key);
    states.push_back(client.take()["result"]["requestState"]);
  }
  client.modern_call("one more", Json::object(), "more");
  CHECK_THAT(client.ask("?", "more")->said, Contains("calls wait for answers already"));
  CHECK(client.quiet());
  client.scripted.tools.answer("3");
  const auto fate = client.ask("?", "more");
  CHECK(fate->said == "waits");
  CHECK(client.take()["result"]["resultType"] == "input_required");
  client.modern_call("late", {{"requestState", states[3]}}, "3");
  CHECK(client.take()["error"]["code"] == -32602);
}

TEST_CASE("Questions: what is asked in the middle of answers waits for all of them") {
  Client client;
  client.modern_call(1);
  std::string order;
  const auto ask = [&](const char* name, std::function<void()> then) {
    client.held().ask({name, kForm}, [&order, name, then](const Result<Answer>&) {
      order += name;
      if (then) then();
    });
  };
  ask("a", [&] { ask("c", nullptr); });
  const Json first = client.take()["result"];
  ask("b", nullptr);
  client.modern_call(
      2, {{"requestState", first["requestState"]}, {"inputResponses", {{"q1", client.accept()}}}});
  const Json second = client.take();
  CHECK(order == "a");
  CHECK(second["result"]["inputRequests"].size() == 2);
  client.modern_call(3, {{"requestState", second["result"]["requestState"]},
                         {"inputResponses", {{"q2", client.accept()}, {"q3", client.accept()}}}});
  CHECK(order == "abc");
  CHECK(client.quiet());
}

TEST_CASE("Questions: an answer may end the call") {
  Client client;
  client.modern_call(1);
  client.held().ask({"One?", kForm},
                    [&client](const Result<Answer>&) { client.scripted.tools.answer("k"); });
  const Json state = client.take()["result"]["requestState"];
  const auto two = client.ask("Two?");
  client.modern_call(2, {{"requestState", state},
                         {"inputResponses", {{"q1", client.accept()}, {"q2", client.accept()}}}});
  CHECK(client.take()["result"]["resultType"] == "complete");
  CHECK(client.quiet());
  CHECK_THAT(two->said, Contains("over"));
}

TEST_CASE("Questions: the handshake era does not know requestState") {
  HandshakeClient client;
  Json with = Client::params("k");
  with["requestState"] = "anything";
  client.send({{"id", 1}, {"method", "tools/call"}, {"params", with}});
  CHECK(client.scripted.server.in_flight() == 1);
}

// --- after a server that died
// ----------------------------------------------------------------------

TEST_CASE("Questions: a server that follows one that died takes its questions back") {
  HandshakeClient before;
  before.call(1);
  before.ask("Really?");
  const Json id = before.take()["id"];
  Client after;
  after.scripted.connection.resume({.protocol = before.scripted.output.protocol});
  const Json notice = after.take();
  CHECK(notice["method"] == "notifications/cancelled");
  CHECK(notice["params"]["requestId"] == id);
  after.send({{"id", id}, {"result", after.accept()}});
  CHECK(after.quiet());
  after.call(2);
  CHECK(after.held().can_ask());  // the capability is remembered
}

TEST_CASE("Questions: a call that waited when its server died is lost, and says so") {
  Client before;
  before.modern_call(1);
  before.ask("Really?");
  const Json state = before.take()["result"]["requestState"];
  Client after;
  after.scripted.connection.resume({.protocol = before.scripted.output.protocol});
  CHECK(after.quiet());
  const Json again = {{"requestState", state}, {"inputResponses", {{"q1", after.accept()}}}};
  after.modern_call(2, again);
  const Json answer = after.take();
  CHECK(answer["result"]["isError"] == true);
  CHECK_THAT(answer["result"]["content"][0]["text"].get<std::string>(),
             Contains("the server died"));
  after.modern_call(3, again);
  CHECK(after.take()["error"]["code"] == -32602);
  CHECK(after.scripted.tools.held.empty());
}

TEST_CASE("Questions: what is no state of a server's is none after it died, either") {
  Client after;
  after.scripted.connection.resume(
      {.protocol = R"({"asked":[7,"a"],"waiting":{"x":1},"version":"2025-11-25"})"});
  CHECK(after.take()["params"]["requestId"] == "a");
  CHECK(after.quiet());
  after.modern_call(2, {{"requestState", "x"}});
  CHECK(after.take()["error"]["code"] == -32602);
}

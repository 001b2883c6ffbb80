#include "mcp/client.h"

#include <algorithm>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::mcp;

namespace {

Json parsed(std::string_view text) { return parse_json(text).take(); }

// A client whose server is the test.
struct Talk : Client::Owner {
  explicit Talk(ClientSettings settings = {"1.0", false, false})
      : client(std::move(settings), *this) {}

  void client_sends(OutgoingMessage message) override { sent.push_back(std::move(message)); }
  void client_abandons(std::int64_t id) override { abandoned.push_back(id); }
  void client_is_ready() override { ++ready; }
  void client_failed(const std::string& why) override { failure = why; }
  void client_sees_tools_changed() override { ++changes; }
  void client_stopped_listening() override { ++stopped_listening; }
  void client_cannot_read(std::string_view text) override { unreadable.emplace_back(text); }
  void client_is_asked(ClientAsked what) override { asked.push_back(std::move(what)); }
  void client_is_asked_no_more(std::int64_t question) override { no_more.push_back(question); }

  // What was sent, oldest first.
  OutgoingMessage next() {
    REQUIRE_FALSE(sent.empty());
    OutgoingMessage message = std::move(sent.front());
    sent.pop_front();
    return message;
  }
  Json next_json() { return parsed(next().text); }
  void answer(const Json& request, const Json& result) {
    client.receive(
        to_json_text(Json{{"jsonrpc", "2.0"}, {"id", request["id"]}, {"result", result}}));
  }
  void refuse(const Json& request, int code, const std::string& message, const Json& data = {}) {
    Json error{{"code", code}, {"message", message}};
    if (!data.is_null()) error["data"] = data;
    client.receive(to_json_text(Json{{"jsonrpc", "2.0"}, {"id", request["id"]}, {"error", error}}));
  }

  // A server of the stateless era that has tools.
  void begin_modern() {
    client.start();
    answer(next_json(), parsed(R"({"resultType":"complete","supportedVersions":["2026-07-28"],
        "capabilities":{"tools":{"listChanged":true},"resources":{}},"instructions":"Be kind.",
        "_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"2"}}})"));
    REQUIRE(client.ready());
  }
  void begin_handshake(const std::string& version = "2025-11-25") {
    client.start();
    refuse(next_json(), -32601, "Method not found");
    answer(next_json(), Json{{"protocolVersion", version},
                             {"capabilities", parsed(R"({"tools":{"listChanged":true}})")},
                             {"serverInfo", parsed(R"({"name":"old","version":"1"})")}});
    REQUIRE(client.ready());
    REQUIRE(next_json()["method"] == "notifications/initialized");
  }
  std::int64_t call(Json arguments = Json::object()) {
    return client.request("tools/call", Json{{"name", "t"}, {"arguments", std::move(arguments)}},
                          [this](ClientAnswer answer) { answers.push_back(std::move(answer)); });
  }

  std::deque<OutgoingMessage> sent;
  std::vector<std::int64_t> abandoned;
  std::vector<std::string> unreadable;
  std::vector<ClientAsked> asked;
  std::vector<std::int64_t> no_more;
  std::vector<ClientAnswer> answers;
  std::string failure;
  int ready = 0;
  int changes = 0;
  int stopped_listening = 0;
  Client client;
};

constexpr const char* kVersionKey = "io.modelcontextprotocol/protocolVersion";

}  // namespace

TEST_CASE("Client: it asks with the modern era's first request", "[client]") {
  Talk talk;
  talk.client.start();
  const OutgoingMessage message = talk.next();
  const Json probe = parsed(message.text);
  CHECK(probe["method"] == "server/discover");
  CHECK(probe["params"]["_meta"][kVersionKey] == "2026-07-28");
  CHECK(probe["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] == Json::object());
  CHECK(message.id == probe["id"].get<std::int64_t>());
  CHECK(message.modern);
  CHECK(message.protocol_version == "2026-07-28");
}

TEST_CASE("Client: a modern server is described by its own words", "[client]") {
  Talk talk;
  talk.begin_modern();
  CHECK(talk.ready == 1);
  CHECK(talk.client.version() == kModernVersion);
  CHECK(talk.client.instructions() == "Be kind.");
  CHECK(talk.client.server_info()["name"] == "s");
  CHECK(talk.client.offers("tools"));
  CHECK_FALSE(talk.client.offers("prompts"));
}

TEST_CASE("Client: any error but the modern ones leads to a handshake", "[client]") {
  const int code = GENERATE(-32601, -32602, -32600, 0, 1);
  Talk talk;
  talk.client.start();
  talk.refuse(talk.next_json(), code, "no");
  const Json handshake = talk.next_json();
  CHECK(handshake["method"] == "initialize");
  CHECK(handshake["params"]["protocolVersion"] == "2025-11-25");
  CHECK_FALSE(handshake["params"].contains("_meta"));
}

TEST_CASE("Client: a modern error with other versions is told, without a handshake", "[client]") {
  Talk talk;
  talk.client.start();
  talk.refuse(talk.next_json(), -32022, "no", parsed(R"({"supported":["2031-01-01"]})"));
  CHECK(talk.sent.empty());
  CHECK(talk.failure.find("2031-01-01") != std::string::npos);
}

TEST_CASE("Client: a server that discovers only old versions gets a handshake", "[client]") {
  Talk talk;
  talk.client.start();
  talk.answer(talk.next_json(), parsed(R"({"supportedVersions":["2025-06-18"]})"));
  CHECK(talk.next_json()["method"] == "initialize");
}

TEST_CASE("Client: a silent server gets a handshake, and the late answer does no harm",
          "[client]") {
  Talk talk;
  talk.client.start();
  const Json probe = talk.next_json();
  talk.client.probe_timed_out();
  const Json handshake = talk.next_json();
  REQUIRE(handshake["method"] == "initialize");
  CHECK(talk.abandoned == std::vector<std::int64_t>{probe["id"].get<std::int64_t>()});
  talk.answer(probe, parsed(R"({"supportedVersions":["2026-07-28"],"capabilities":{}})"));
  CHECK_FALSE(talk.client.ready());

  SECTION("the handshake is answered") {
    talk.answer(handshake, parsed(R"({"protocolVersion":"2025-06-18","capabilities":{}})"));
    CHECK(talk.client.version() == Version::V2025_06_18);
  }
  SECTION("the handshake is refused: the late answer counts") {
    talk.refuse(handshake, -32601, "unknown");
    CHECK(talk.client.ready());
    CHECK(talk.client.version() == kModernVersion);
  }
}

TEST_CASE("Client: a version it does not know ends a handshake", "[client]") {
  const std::string version = GENERATE("2026-07-28", "1999-01-01", "");
  Talk talk({"1.0", false, true});
  talk.client.start();
  talk.answer(talk.next_json(), Json{{"protocolVersion", version}});
  CHECK_FALSE(talk.failure.empty());
  CHECK_FALSE(talk.client.ready());
}

TEST_CASE("Client: a server that spoke by handshake is not probed, but when it refuses",
          "[client]") {
  Talk talk({"1.0", false, true});
  talk.client.start();
  const Json handshake = talk.next_json();
  REQUIRE(handshake["method"] == "initialize");
  talk.refuse(handshake, -32601, "unknown");
  const Json probe = talk.next_json();
  CHECK(probe["method"] == "server/discover");
  talk.answer(probe, parsed(R"({"supportedVersions":["2026-07-28"],"capabilities":{}})"));
  CHECK(talk.client.ready());
}

TEST_CASE("Client: a request has what its era wants", "[client]") {
  Talk talk;
  SECTION("modern") {
    talk.begin_modern();
    talk.call({{"a", 1}});
    const Json request = talk.next_json();
    CHECK(request["params"]["arguments"]["a"] == 1);
    CHECK(request["params"]["_meta"][kVersionKey] == "2026-07-28");
    CHECK_FALSE(request["params"]["_meta"].contains("progressToken"));
  }
  SECTION("handshake") {
    talk.begin_handshake();
    talk.call({{"a", 1}});
    const Json request = talk.next_json();
    CHECK(request["params"]["arguments"]["a"] == 1);
    CHECK_FALSE(request["params"].contains("_meta"));
  }
}

TEST_CASE("Client: of a caller's _meta only trace keys are passed on", "[client]") {
  Talk talk;
  talk.begin_modern();
  talk.client.request(
      "tools/call",
      parsed(
          R"({"name":"t","_meta":{"traceparent":"00-1","io.modelcontextprotocol/protocolVersion":"x",
                "progressToken":7}})"),
      [](ClientAnswer) {});
  const Json request = talk.next_json();
  CHECK(request["params"]["_meta"]["traceparent"] == "00-1");
  CHECK(request["params"]["_meta"][kVersionKey] == "2026-07-28");
  CHECK_FALSE(request["params"]["_meta"].contains("progressToken"));
}

TEST_CASE("Client: answers find their requests in any order", "[client]") {
  Talk talk;
  talk.begin_modern();
  talk.call();
  talk.call();
  const Json first = talk.next_json();
  const Json second = talk.next_json();
  talk.answer(second, {{"content", "b"}});
  talk.answer(first, {{"resultType", "complete"}, {"content", "a"}});
  REQUIRE(talk.answers.size() == 2);
  CHECK(talk.answers[0].result["content"] == "b");
  CHECK(talk.answers[1].result["content"] == "a");
  CHECK(talk.client.in_flight() == 0);
}

TEST_CASE("Client: an error comes with code, message and data", "[client]") {
  Talk talk;
  talk.begin_handshake();
  talk.call();
  talk.refuse(talk.next_json(), -32602, "Unknown tool", {{"tool", "t"}});
  REQUIRE(talk.answers.size() == 1);
  const ClientError& error = *talk.answers[0].error;
  CHECK(error.kind == ClientError::Kind::Rpc);
  CHECK(error.code == -32602);
  CHECK(error.message == "Unknown tool");
  CHECK(error.data["tool"] == "t");
}

TEST_CASE("Client: answers against the rules are errors", "[client]") {
  const std::string rest =
      GENERATE(R"("result":3)", R"("result":{"resultType":"task","taskId":"x"})",
               R"("result":{"resultType":9})", R"("error":5)", R"("nothing":1)");
  Talk talk;
  talk.begin_modern();
  const auto id = talk.call();
  talk.client.receive(R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + "," + rest + "}");
  REQUIRE(talk.answers.size() == 1);
  CHECK(talk.answers[0].error);
}

TEST_CASE("Client: what makes no sense is ignored", "[client]") {
  const std::string text =
      GENERATE("", "x", "3", "null", "[]", "[[]]", R"("a")", "{}", R"({"id":1})",
               R"({"id":"1","result":{}})", R"({"id":99,"result":{}})", R"({"id":1.5,"result":{}})",
               R"({"method":5})", R"({"method":"notifications/progress","params":[]})",
               R"({"method":"notifications/progress","params":{"progressToken":"x","progress":1}})",
               R"({"method":"notifications/progress","params":{"progressToken":2,"progress":"x"}})",
               R"({"method":"notifications/cancelled","params":{"requestId":{}}})",
               "{\"id\":2,\"result\":\"\xff\"}");
  Talk talk;
  talk.begin_modern();
  talk.call();
  const Json request = talk.next_json();
  talk.client.receive(text);
  CHECK(talk.answers.empty());
  talk.answer(request, {{"content", "a"}});
  CHECK(talk.answers.size() == 1);
}

TEST_CASE("Client: an answer above a bound is one request's affair", "[client]") {
  Talk talk;
  talk.begin_modern();
  const auto id = talk.call();
  std::string deep(1000, '[');
  talk.client.receive(R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"result":)" + deep);
  REQUIRE(talk.answers.size() == 1);
  CHECK(talk.answers[0].error->kind == ClientError::Kind::TooLarge);
  CHECK(talk.client.ready());
}

TEST_CASE("Client: progress reaches the request that asked for it", "[client]") {
  Talk talk;
  talk.begin_handshake();
  std::vector<std::string> told;
  talk.client.request(
      "tools/call", Json::object(), [](ClientAnswer) {},
      [&](double done, std::optional<double> total, std::string_view message) {
        told.push_back(std::to_string(static_cast<int>(done)) + "/" +
                       std::to_string(static_cast<int>(total.value_or(-1))) + " " +
                       std::string(message));
      });
  const Json request = talk.next_json();
  const Json token = request["params"]["_meta"]["progressToken"];
  const auto tell = [&](const Json& params) {
    talk.client.receive(to_json_text(
        Json{{"jsonrpc", "2.0"}, {"method", "notifications/progress"}, {"params", params}}));
  };
  tell({{"progressToken", token}, {"progress", 1}, {"total", 3}, {"message", "one"}});
  tell({{"progressToken", token}, {"progress", 2}});
  talk.answer(request, Json::object());
  tell({{"progressToken", token}, {"progress", 3}});
  CHECK(told == std::vector<std::string>{"1/3 one", "2/-1 "});
}

TEST_CASE("Client: a cancelled request is told to the server and not answered", "[client]") {
  Talk talk({"1.0", GENERATE(false, true), false});
  talk.begin_handshake();
  const auto id = talk.call();
  const Json request = talk.next_json();
  talk.client.cancel(id);
  const Json notification = talk.next_json();
  CHECK(notification["method"] == "notifications/cancelled");
  CHECK(notification["params"]["requestId"] == id);
  talk.answer(request, Json::object());
  CHECK(talk.answers.empty());
  CHECK(talk.abandoned.back() == id);
  talk.client.cancel(id);
  CHECK(talk.sent.empty());
}

TEST_CASE("Client: in the modern era closing the stream is what cancels over HTTP", "[client]") {
  Talk talk({"1.0", true, false});
  talk.begin_modern();
  const auto id = talk.call();
  talk.next();
  talk.client.cancel(id);
  CHECK(talk.sent.empty());
  CHECK(talk.abandoned == std::vector<std::int64_t>{id});
}

TEST_CASE("Client: a request that is asked to come again does, with the state it was given",
          "[client]") {
  Talk talk;
  talk.begin_modern();
  const auto handle = talk.call({{"a", 1}});
  const Json first = talk.next_json();
  talk.answer(first, {{"resultType", "input_required"}, {"requestState", "s1"}});
  const Json second = talk.next_json();
  CHECK(second["id"] != first["id"]);
  CHECK(second["params"]["requestState"] == "s1");
  CHECK(second["params"]["arguments"]["a"] == 1);

  SECTION("and is answered at last") {
    talk.answer(second, {{"content", "x"}});
    REQUIRE(talk.answers.size() == 1);
    CHECK(talk.answers[0].result["content"] == "x");
  }
  SECTION("and can be cancelled by the number it had at first") {
    talk.client.cancel(handle);
    CHECK(talk.next_json()["params"]["requestId"] == second["id"]);
  }
  SECTION("but not for ever") {
    Json latest = second;
    for (std::size_t i = 0; i < limits::kUpstreamRounds && talk.answers.empty(); ++i) {
      talk.answer(latest, {{"resultType", "input_required"}, {"requestState", "s"}});
      if (!talk.sent.empty()) latest = talk.next_json();
    }
    REQUIRE(talk.answers.size() == 1);
    CHECK(talk.answers[0].error->kind == ClientError::Kind::Protocol);
  }
}

ClientSettings asking_settings(const char* capabilities = R"({"elicitation":{},"roots":{}})") {
  return {"1.0", false, false, parsed(capabilities)};
}

const char* const kTwoInputs =
    R"({"resultType":"input_required","requestState":"s1","inputRequests":{
    "name":{"method":"elicitation/create","params":{"message":"Who?","requestedSchema":{}}},
    "where":{"method":"roots/list"}}})";

TEST_CASE("Client: what it declares is said with every request, and in a handshake", "[client]") {
  Talk talk(asking_settings());
  talk.client.start();
  const Json probe = talk.next_json();
  CHECK(probe["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] ==
        parsed(R"({"elicitation":{},"roots":{}})"));
  talk.refuse(probe, -32601, "no");
  CHECK(talk.next_json()["params"]["capabilities"] == parsed(R"({"elicitation":{},"roots":{}})"));
}

TEST_CASE("Client: a request comes again with the answers to what the server asked", "[client]") {
  Talk talk(asking_settings());
  talk.begin_modern();
  const std::int64_t handle = talk.call();
  const Json first = talk.next_json();
  talk.answer(first, parsed(kTwoInputs));
  REQUIRE(talk.asked.size() == 2);
  CHECK(talk.asked[0].handle == handle);
  CHECK(talk.asked[0].method == "elicitation/create");
  CHECK(talk.asked[0].params["message"] == "Who?");
  CHECK(talk.asked[1].method == "roots/list");
  CHECK(talk.client.in_flight() == 1);
  talk.client.answer_question(talk.asked[1].question, {parsed(R"({"roots":[]})"), std::nullopt});
  talk.client.answer_question(talk.asked[1].question, {parsed(R"({"roots":[1]})"), std::nullopt});
  CHECK(talk.sent.empty());
  talk.client.answer_question(talk.asked[0].question,
                              {parsed(R"({"action":"accept","content":{}})"), std::nullopt});
  const Json second = talk.next_json();
  CHECK(second["id"] != first["id"]);
  CHECK(second["params"]["requestState"] == "s1");
  CHECK(second["params"]["inputResponses"] ==
        parsed(R"({"where":{"roots":[]},"name":{"action":"accept","content":{}}})"));
  talk.answer(second, parsed(R"({"resultType":"complete","content":[]})"));
  REQUIRE(talk.answers.size() == 1);
  CHECK_FALSE(talk.answers[0].error);
}

TEST_CASE("Client: neither state nor answers of a round are in the next one's", "[client]") {
  Talk talk(asking_settings());
  talk.begin_modern();
  talk.call();
  talk.answer(talk.next_json(), parsed(kTwoInputs));
  for (const ClientAsked& each : std::exchange(talk.asked, {})) {
    talk.client.answer_question(each.question, {Json::object(), std::nullopt});
  }
  talk.answer(talk.next_json(), parsed(R"({"resultType":"input_required","inputRequests":
      {"more":{"method":"roots/list"}}})"));
  REQUIRE(talk.asked.size() == 1);
  talk.client.answer_question(talk.asked[0].question, {parsed(R"({"roots":[]})"), std::nullopt});
  const Json third = talk.next_json();
  CHECK_FALSE(third["params"].contains("requestState"));
  CHECK(third["params"]["inputResponses"] == parsed(R"({"more":{"roots":[]}})"));
}

TEST_CASE("Client: a question that is not answered ends the request with why", "[client]") {
  Talk talk(asking_settings());
  talk.begin_modern();
  talk.call();
  talk.answer(talk.next_json(), parsed(kTwoInputs));
  ClientAnswer nobody;
  nobody.error = ClientError{ClientError::Kind::Protocol, "nobody is there", 0, nullptr};
  talk.client.answer_question(talk.asked[0].question, std::move(nobody));
  REQUIRE(talk.answers.size() == 1);
  CHECK(talk.answers[0].error->message == "nobody is there");
  CHECK(talk.no_more == std::vector<std::int64_t>{talk.asked[1].question});
  CHECK(talk.client.in_flight() == 0);
}

TEST_CASE("Client: a cancelled request's questions are taken back", "[client]") {
  Talk talk(asking_settings());
  talk.begin_modern();
  const std::int64_t handle = talk.call();
  talk.answer(talk.next_json(), parsed(kTwoInputs));
  talk.client.cancel(handle);
  CHECK(talk.no_more.size() == 2);
  CHECK(talk.answers.empty());
  talk.client.answer_question(talk.asked[0].question, {Json::object(), std::nullopt});
  CHECK(talk.sent.empty());
}

TEST_CASE("Client: it is asked for nothing that it did not declare", "[client]") {
  Talk talk(asking_settings(R"({"elicitation":{}})"));
  talk.begin_modern();
  const char* const request =
      GENERATE(R"("method":"roots/list")", R"("method":"sampling/createMessage","params":{})",
               R"("method":"elicitation/create","params":{"mode":"url","url":"https://x"})",
               R"("method":"tools/list")");
  talk.call();
  talk.answer(talk.next_json(),
              parsed(std::string(R"({"resultType":"input_required","inputRequests":{"k":{)") +
                     request + "}}}"));
  CHECK(talk.asked.empty());
  REQUIRE(talk.answers.size() == 1);
  CHECK(talk.answers[0].error->kind == ClientError::Kind::Protocol);
}

TEST_CASE("Client: a server's own request is answered in the handshake era", "[client]") {
  Talk talk(asking_settings());
  talk.begin_handshake();
  talk.client.receive(
      R"({"jsonrpc":"2.0","id":"q1","method":"elicitation/create","params":{"message":"Who?"}})");
  REQUIRE(talk.asked.size() == 1);
  CHECK(talk.asked[0].handle == 0);
  CHECK(talk.asked[0].params["message"] == "Who?");
  talk.client.answer_question(talk.asked[0].question,
                              {parsed(R"({"action":"decline"})"), std::nullopt});
  CHECK(talk.next_json() == parsed(R"({"jsonrpc":"2.0","id":"q1","result":{"action":"decline"}})"));
}

TEST_CASE("Client: a server takes back what it asked", "[client]") {
  Talk talk(asking_settings());
  talk.begin_handshake();
  talk.client.receive(R"({"jsonrpc":"2.0","id":7,"method":"roots/list"})");
  REQUIRE(talk.asked.size() == 1);
  talk.client.receive(
      R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}})");
  CHECK(talk.no_more == std::vector<std::int64_t>{talk.asked[0].question});
  talk.client.answer_question(talk.asked[0].question, {Json::object(), std::nullopt});
  CHECK(talk.sent.empty());
}

TEST_CASE("Client: no more than some of a server's questions are open", "[client]") {
  Talk talk(asking_settings());
  talk.begin_handshake();
  for (std::size_t at = 0; at <= limits::kUpstreamQuestions; ++at) {
    talk.client.receive(R"({"jsonrpc":"2.0","id":)" + std::to_string(at) +
                        R"(,"method":"roots/list"})");
  }
  CHECK(talk.asked.size() == limits::kUpstreamQuestions);
  CHECK(talk.next_json()["error"]["code"] == -32603);
}

TEST_CASE("Client: a version that was refused though it is served is tried once more", "[client]") {
  Talk talk;
  talk.client.start();
  const Json data = parsed(R"({"supported":["2025-11-25","2026-07-28"]})");
  talk.refuse(talk.next_json(), -32022, "no", data);
  const Json again = talk.next_json();
  CHECK(again["method"] == "server/discover");
  talk.refuse(again, -32022, "no", data);
  CHECK(talk.next_json()["method"] == "initialize");
}

TEST_CASE("Client: a modern server that refused the probe is not taken for an older one",
          "[client]") {
  Talk talk({"1.0", true, false});
  talk.client.start();
  talk.client.request_failed(*talk.next().id, {ErrorCode::Unavailable, "It wants a login."});
  const Json handshake = talk.next_json();
  REQUIRE(handshake["method"] == "initialize");
  talk.refuse(handshake, -32020, "MCP-Protocol-Version is missing");
  CHECK(talk.failure == "It wants a login.");
}

TEST_CASE("Client: a request for input is an error that says so", "[client]") {
  Talk talk;
  talk.begin_modern();
  talk.call();
  talk.answer(talk.next_json(), parsed(R"({"resultType":"input_required","inputRequests":
      {"k":{"method":"elicitation/create","params":{}}}})"));
  REQUIRE(talk.answers.size() == 1);
  CHECK(talk.answers[0].error->message.find("elicitation/create") != std::string::npos);
}

TEST_CASE("Client: lists are gathered page by page", "[client]") {
  Talk talk;
  talk.begin_modern();
  std::optional<ClientAnswer> listed;
  talk.client.list("tools/list", [&](ClientAnswer answer) { listed = std::move(answer); });
  const Json first = talk.next_json();
  CHECK_FALSE(first["params"].contains("cursor"));
  talk.answer(first, parsed(R"({"tools":[{"name":"a"},{"noname":1},5],"nextCursor":""})"));
  const Json second = talk.next_json();
  CHECK(second["params"]["cursor"] == "");  // the empty string is a cursor

  SECTION("to the end") {
    talk.answer(second, parsed(R"({"tools":[{"name":"b"}]})"));
    REQUIRE(listed);
    CHECK(to_json_text(listed->result) == R"({"tools":[{"name":"a"},{"name":"b"}]})");
  }
  SECTION("and once from the beginning when a cursor is not good any more") {
    talk.refuse(second, -32602, "bad cursor");
    const Json again = talk.next_json();
    CHECK_FALSE(again["params"].contains("cursor"));
    talk.answer(again, parsed(R"({"tools":[{"name":"c"}]})"));
    REQUIRE(listed);
    CHECK(to_json_text(listed->result) == R"({"tools":[{"name":"c"}]})");
  }
  SECTION("but not for ever") {
    Json latest = second;
    for (std::size_t i = 0; i <= limits::kUpstreamListPages && !listed; ++i) {
      talk.answer(latest, parsed(R"({"tools":[{"name":"b"}],"nextCursor":"x"})"));
      if (!talk.sent.empty()) latest = talk.next_json();
    }
    REQUIRE(listed);
    CHECK(listed->error->kind == ClientError::Kind::TooLarge);
  }
}

TEST_CASE("Client: what a server does not offer is an empty list", "[client]") {
  Talk talk;
  talk.begin_modern();
  std::optional<ClientAnswer> listed;
  talk.client.list("prompts/list", [&](ClientAnswer answer) { listed = std::move(answer); });
  REQUIRE(listed);
  CHECK(to_json_text(listed->result) == R"({"prompts":[]})");
  CHECK(talk.sent.empty());
}

TEST_CASE("Client: changes of the tools are told", "[client]") {
  Talk talk;
  SECTION("on a stream of their own, in the modern era") {
    talk.begin_modern();
    talk.client.listen();
    const Json request = talk.next_json();
    CHECK(request["method"] == "subscriptions/listen");
    CHECK(request["params"]["notifications"]["toolsListChanged"] == true);
    talk.client.listen();
    CHECK(talk.sent.empty());  // one is enough
    talk.client.receive(
        R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{}})");
    CHECK(talk.changes == 1);
    talk.answer(request, Json::object());
    CHECK(talk.stopped_listening == 1);
    talk.client.listen();
    CHECK(talk.sent.size() == 1);
  }
  SECTION("unasked, in the others") {
    talk.begin_handshake();
    talk.client.listen();
    CHECK(talk.sent.empty());
    talk.client.receive(R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})");
    CHECK(talk.changes == 1);
  }
}

TEST_CASE("Client: of a server's requests only ping is answered with a result", "[client]") {
  Talk talk;
  SECTION("handshake") {
    talk.begin_handshake();
    talk.client.receive(R"({"jsonrpc":"2.0","id":"p","method":"ping"})");
    CHECK(to_json_text(talk.next_json()) == R"({"jsonrpc":"2.0","id":"p","result":{}})");
    for (const char* method : {"roots/list", "sampling/createMessage", "elicitation/create"}) {
      talk.client.receive(R"({"jsonrpc":"2.0","id":3,"method":")" + std::string(method) + R"("})");
      const Json answer = talk.next_json();
      CHECK(answer["id"] == 3);
      CHECK(answer["error"]["code"] == -32601);
    }
  }
  SECTION("modern: nothing is answered") {
    talk.begin_modern();
    talk.client.receive(R"({"jsonrpc":"2.0","id":"p","method":"ping"})");
    CHECK(talk.sent.empty());
  }
}

TEST_CASE("Client: a batch is read where the version has batches", "[client]") {
  const bool batches = GENERATE(true, false);
  Talk talk;
  talk.begin_handshake(batches ? "2025-03-26" : "2025-06-18");
  const auto a = talk.call();
  const auto b = talk.call();
  talk.client.receive("[{\"id\":" + std::to_string(a) +
                      ",\"result\":{}},{\"id\":" + std::to_string(b) + ",\"result\":{}}]");
  CHECK(talk.answers.size() == (batches ? 2 : 0));
}

TEST_CASE("Client: a lost session is begun anew and the request sent again, once", "[client]") {
  Talk talk({"1.0", true, false});
  talk.begin_handshake();
  const auto id = talk.call({{"a", 1}});
  talk.next();
  talk.client.session_lost(id);
  CHECK_FALSE(talk.client.ready());
  const OutgoingMessage handshake = talk.next();
  CHECK(handshake.method == "initialize");
  CHECK(handshake.protocol_version.empty());
  talk.answer(parsed(handshake.text),
              parsed(R"({"protocolVersion":"2025-11-25","capabilities":{}})"));
  CHECK(talk.next().method == "notifications/initialized");
  const OutgoingMessage again = talk.next();
  CHECK(parsed(again.text)["params"]["arguments"]["a"] == 1);
  CHECK(talk.ready == 2);
  talk.client.session_lost(*again.id);
  REQUIRE(talk.answers.size() == 1);
  CHECK(talk.answers[0].error->kind == ClientError::Kind::Transport);
}

TEST_CASE("Client: a transport's failure of the probe leads to a handshake, and then to an end",
          "[client]") {
  Talk talk({"1.0", true, false});
  talk.client.start();
  talk.client.request_failed(*talk.next().id, {ErrorCode::Unavailable, "HTTP 405"});
  const OutgoingMessage handshake = talk.next();
  CHECK(handshake.method == "initialize");
  talk.client.request_failed(*handshake.id,
                             {ErrorCode::Unavailable, "Nobody is there. Call them."});
  CHECK(talk.failure == "Nobody is there. Call them.");
}

TEST_CASE("Client: over HTTP a tool's parameters go into headers where its schema says so",
          "[client]") {
  Talk talk({"1.0", true, false});
  talk.begin_modern();
  std::optional<ClientAnswer> listed;
  const auto list = [&] {
    talk.client.list("tools/list", [&](ClientAnswer answer) { listed = std::move(answer); });
  };
  list();
  talk.answer(talk.next_json(), parsed(R"({"tools":[
      {"name":"t","inputSchema":{"type":"object","properties":{
          "region":{"type":"string","x-mcp-header":"Region"},
          "deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}}}}},
      {"name":"bad","inputSchema":{"type":"object","properties":{"x":{"type":"number","x-mcp-header":"X"}}}},
      {"name":"twice","inputSchema":{"type":"object","properties":{"x":{"type":"string","x-mcp-header":"X"},
          "y":{"type":"string","x-mcp-header":"x"}}}},
      {"name":"hidden","inputSchema":{"type":"object","properties":{"x":{"type":"array",
          "items":{"type":"string","x-mcp-header":"X"}}}}},
      {"name":"named","inputSchema":{"type":"object","properties":{"x-mcp-header":{"type":"string"}}}}]})"));
  REQUIRE(listed);
  REQUIRE(listed->result["tools"].size() == 2);
  CHECK(listed->result["tools"][1]["name"] == "named");

  talk.call(parsed(R"({"region":"eu","deep":{"n":42}})"));
  const OutgoingMessage message = talk.next();
  CHECK(message.name == "t");
  const std::vector<std::pair<std::string, std::string>> expected{{"Region", "eu"}, {"N", "42"}};
  CHECK(message.parameter_headers == expected);

  // Other headers are wanted now: the list is read again, and the request sent once more.
  talk.refuse(parsed(message.text), -32020, "header missing");
  const Json relisting = talk.next_json();
  REQUIRE(relisting["method"] == "tools/list");
  talk.answer(relisting, parsed(R"({"tools":[{"name":"t","inputSchema":{"type":"object",
      "properties":{"region":{"type":"string","x-mcp-header":"Zone"}}}}]})"));
  const OutgoingMessage again = talk.next();
  REQUIRE(again.parameter_headers.size() == 1);
  CHECK(again.parameter_headers[0].first == "Zone");
  talk.refuse(parsed(again.text), -32020, "header missing");
  REQUIRE(talk.answers.size() == 1);
  CHECK(talk.answers[0].error->code == -32020);
}

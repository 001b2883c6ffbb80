#include "mcp/client_capabilities.h"
#include "mcp/question.h"
#include "mcp/server.h"
#include "support/catch.h"
#include "support/scripted_server.h"

#include <array>
#include <memory>
#include <string>
#include <utility>

// All that a call may ask of its client, in both eras: forms, addresses, the model, the folders.
using namespace pyember;
using Catch::Contains;
using mcp::Answer;
using mcp::InputRequest;
using mcp::Json;
using test::ScriptedServer;

namespace {

const Json kForm = {{"type", "object"}, {"properties", {{"all", {{"type", "boolean"}}}}}};
const Json kAll = {{"elicitation", {{"form", Json::object()}, {"url", Json::object()}}},
                   {"sampling", Json::object()},
                   {"roots", Json::object()}};
const Json kSampling = {{"messages", Json::array()}, {"maxTokens", 5}};
const Json kMessage = {
    {"role", "assistant"}, {"content", {{"type", "text"}, {"text", "Paris"}}}, {"model", "m"}};

InputRequest request_of(InputRequest::Kind kind) {
  switch (kind) {
    case InputRequest::Kind::Url:
      return InputRequest::address("Log in?", "https://example.com/");
    case InputRequest::Kind::Sampling:
      return InputRequest::sampling(kSampling);
    case InputRequest::Kind::Roots:
      return InputRequest::roots();
    default:
      return {"Really?", kForm};
  }
}

constexpr std::array kKinds = {InputRequest::Kind::Form, InputRequest::Kind::Url,
                               InputRequest::Kind::Sampling, InputRequest::Kind::Roots};

class Client {
 public:
  void handshake(const char* version, const Json& capabilities) {
    send({{"id", "i"},
          {"method", "initialize"},
          {"params", {{"protocolVersion", version}, {"capabilities", capabilities}}}});
    take();
    send({{"method", "notifications/initialized"}});
  }
  void call(const Json& id) {
    send({{"id", id},
          {"method", "tools/call"},
          {"params", {{"name", "hold"}, {"arguments", {{"key", "k"}}}}}});
  }
  void modern_call(const Json& id, const Json& capabilities, const Json& more = Json::object()) {
    Json params = {{"name", "hold"}, {"arguments", {{"key", "k"}}}};
    params.update(more);
    params["_meta"] = {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                       {"io.modelcontextprotocol/clientCapabilities", capabilities}};
    send({{"id", id}, {"method", "tools/call"}, {"params", params}});
  }
  void send(Json message) {
    message["jsonrpc"] = "2.0";
    scripted.connection.receive(mcp::to_json_text(message) + "\n");
  }
  Json take() {
    const std::string line = scripted.output.take();
    return line.empty() ? Json() : Json::parse(line);
  }
  mcp::ToolCall& held() { return *scripted.tools.held.at("k"); }
  std::shared_ptr<Result<Answer>> ask(InputRequest request) {
    const auto fate = std::make_shared<Result<Answer>>(Error{ErrorCode::Unavailable, "waits"});
    held().ask(std::move(request), [fate](Result<Answer> answer) { *fate = std::move(answer); });
    return fate;
  }

  ScriptedServer scripted;
};

std::string said(const std::shared_ptr<Result<Answer>>& fate) {
  return fate->ok() ? "answered" : fate->error().message;
}

}  // namespace

TEST_CASE("Input requests: of the handshake era each is a request of its kind") {
  Client client;
  client.handshake("2025-11-25", kAll);
  client.call(1);
  client.ask(request_of(InputRequest::Kind::Form));
  const Json form = client.take();
  CHECK(form["method"] == "elicitation/create");
  CHECK(form["params"] == Json{{"message", "Really?"}, {"requestedSchema", kForm}});
  const auto opened = client.ask(request_of(InputRequest::Kind::Url));
  const Json url = client.take();
  CHECK(url["method"] == "elicitation/create");
  CHECK(url["params"]["mode"] == "url");
  CHECK(url["params"]["url"] == "https://example.com/");
  CHECK(url["params"]["elicitationId"].get<std::string>().size() >= 16);
  const auto sampled = client.ask(request_of(InputRequest::Kind::Sampling));
  const Json sampling = client.take();
  CHECK(sampling["method"] == "sampling/createMessage");
  CHECK(sampling["params"] == kSampling);
  const auto rooted = client.ask(request_of(InputRequest::Kind::Roots));
  const Json roots = client.take();
  CHECK(roots["method"] == "roots/list");

  client.send({{"id", url["id"]}, {"result", {{"action", "accept"}, {"content", {{"x", 1}}}}}});
  REQUIRE(said(opened) == "answered");
  CHECK(opened->value().content == Json::object());
  client.send({{"id", sampling["id"]}, {"result", kMessage}});
  REQUIRE(said(sampled) == "answered");
  CHECK(sampled->value().content == kMessage);
  client.send({{"id", roots["id"]},
               {"result", {{"roots", {{{"uri", "file:///a"}, {"name", "a"}, {"more", 1}}}}}}});
  REQUIRE(said(rooted) == "answered");
  CHECK(rooted->value().content == Json::parse(R"({"roots":[{"uri":"file:///a","name":"a"}]})"));
}

TEST_CASE("Input requests: of the modern era they come together, by their keys") {
  Client client;
  client.modern_call(1, kAll);
  InputRequest form = request_of(InputRequest::Kind::Form);
  form.key = "confirm";
  client.ask(std::move(form));
  const Json first = client.take()["result"];
  CHECK(first["inputRequests"]["confirm"]["params"]["mode"] == "form");
  const auto opened = client.ask(request_of(InputRequest::Kind::Url));
  const auto sampled = client.ask(request_of(InputRequest::Kind::Sampling));
  const auto rooted = client.ask(request_of(InputRequest::Kind::Roots));
  client.modern_call(2, kAll,
                     {{"requestState", first["requestState"]},
                      {"inputResponses", {{"confirm", {{"action", "decline"}}}}}});
  const Json second = client.take()["result"];
  const Json expected = {
      {"q2",
       {{"method", "elicitation/create"},
        {"params", {{"mode", "url"}, {"message", "Log in?"}, {"url", "https://example.com/"}}}}},
      {"q3", {{"method", "sampling/createMessage"}, {"params", kSampling}}},
      {"q4", {{"method", "roots/list"}, {"params", Json::object()}}}};
  CHECK(second["inputRequests"] == expected);
  client.modern_call(
      3, kAll,
      {{"requestState", second["requestState"]},
       {"inputResponses",
        {{"q2", {{"action", "accept"}}}, {"q3", kMessage}, {"q4", {{"roots", Json::array()}}}}}});
  CHECK(said(opened) == "answered");
  CHECK(said(sampled) == "answered");
  CHECK(said(rooted) == "answered");
}

TEST_CASE("Input requests: only what the client declared is asked") {
  const std::array<std::pair<InputRequest::Kind, Json>, 4> kinds = {
      {{InputRequest::Kind::Form, {{"elicitation", Json::object()}}},
       {InputRequest::Kind::Url, {{"elicitation", {{"url", Json::object()}}}}},
       {InputRequest::Kind::Sampling, {{"sampling", Json::object()}}},
       {InputRequest::Kind::Roots, {{"roots", Json::object()}}}}};
  for (const auto& [declared, capabilities] : kinds) {
    for (const InputRequest::Kind kind : kKinds) {
      Client modern;
      modern.modern_call(1, capabilities);
      CHECK(modern.held().can_ask(kind) == (kind == declared));
      Client old;
      old.handshake("2025-11-25", capabilities);
      old.call(1);
      CHECK(old.held().can_ask(kind) == (kind == declared));
      if (kind == declared) continue;
      const auto fate = old.ask(request_of(kind));
      CHECK_THAT(said(fate), Contains("does not declare the capability"));
      CHECK(old.take().is_null());
    }
  }
}

TEST_CASE("Input requests: versions ask what they know") {
  for (const char* version : {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}) {
    Client client;
    client.handshake(version, kAll);
    client.call(1);
    CAPTURE(version);
    CHECK(client.held().can_ask(InputRequest::Kind::Form) ==
          (std::string(version) >= "2025-06-18"));
    CHECK(client.held().can_ask(InputRequest::Kind::Url) == (std::string(version) >= "2025-11-25"));
    CHECK(client.held().can_ask(InputRequest::Kind::Sampling));
    CHECK(client.held().can_ask(InputRequest::Kind::Roots));
  }
}

TEST_CASE("Input requests: a client that comes back without a capability is asked the rest") {
  Client client;
  client.modern_call(1, kAll);
  const auto form = client.ask(request_of(InputRequest::Kind::Form));
  const Json first = client.take()["result"];
  const auto sampled = client.ask(request_of(InputRequest::Kind::Sampling));
  client.modern_call(2, {{"elicitation", Json::object()}},
                     {{"requestState", first["requestState"]}});
  CHECK_THAT(said(sampled), Contains("without the capability"));
  const Json second = client.take()["result"];
  CHECK(second["inputRequests"].size() == 1);
  CHECK(second["inputRequests"].contains("q1"));
  CHECK(said(form) == "waits");
}

TEST_CASE("Input requests: answers that are none are known") {
  const auto read = [](InputRequest::Kind kind, const char* text) {
    return mcp::read_answer(Json::parse(text), request_of(kind)).ok();
  };
  CHECK(read(InputRequest::Kind::Url, R"({"action":"decline"})"));
  CHECK_FALSE(read(InputRequest::Kind::Url, "{}"));
  CHECK(read(InputRequest::Kind::Sampling,
             R"({"role":"assistant","content":[{"type":"text","text":""}],"model":"m"})"));
  for (const char* bad :
       {"{}", "[]", "7", R"({"action":"accept"})", R"({"role":"assistant","model":"m"})",
        R"({"role":"assistant","content":"x","model":"m"})",
        R"({"role":1,"content":{"type":"text"},"model":"m"})",
        R"({"role":"a","content":{},"model":"m"})"}) {
    CAPTURE(bad);
    CHECK_FALSE(read(InputRequest::Kind::Sampling, bad));
  }
  CHECK(read(InputRequest::Kind::Roots, R"({"roots":[]})"));
  for (const char* bad :
       {"{}", R"({"roots":{}})", R"({"roots":[1]})", R"({"roots":[{"uri":1}]})"}) {
    CAPTURE(bad);
    CHECK_FALSE(read(InputRequest::Kind::Roots, bad));
  }
}

#include "base/limits.h"
#include "mcp/http/http_client.h"
#include "support/catch.h"

#include <string>
#include <vector>

// What is no request at all, or belongs to no era.
using namespace pyember;
using mcp::Json;
using test::Exchange;
using test::HttpClient;

namespace {

const std::string kPing = R"({"jsonrpc":"2.0","id":5,"method":"ping"})";

void refused(const Exchange& exchange, int status, int code, const Json& id = nullptr) {
  INFO(exchange->body);
  CHECK(exchange->status == status);
  CHECK(exchange->over);
  CHECK(exchange->field("Content-Type") == "application/json");
  const Json answer = exchange->json();
  CHECK(answer["error"]["code"] == code);
  CHECK(answer["id"] == id);
  CHECK(answer["error"]["message"].get<std::string>().size() > 40);
}

}  // namespace

TEST_CASE("HTTP: a body that is no JSON is refused") {
  HttpClient client;
  for (const char* body : {"", "{", "nonsense", "{} {}", "\xff", "[1,", "NaN"}) {
    refused(client.post(body), 400, -32700);
    refused(client.post(body, {{"MCP-Protocol-Version", "2026-07-28"}}), 400, -32700);
  }
}

TEST_CASE("HTTP: JSON that is no message is refused") {
  HttpClient client;
  for (const char* body : {"1", "null", "\"x\"", "{}", R"({"jsonrpc":"2.0"})"}) {
    refused(client.post(body), 400, -32600);
  }
  refused(client.post(R"({"jsonrpc":"2.0","id":null,"method":"tools/list"})",
                      {{"MCP-Protocol-Version", "2026-07-28"}}),
          400, -32600);
}

TEST_CASE("HTTP: a message that is too deep is refused under its id") {
  HttpClient client;
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  refused(client.post(R"({"jsonrpc":"2.0","id":9,"method":"ping","params":{"x":)" + deep + "}}"),
          400, -32600, 9);
}

TEST_CASE("HTTP: a batch is refused outside of a session that knows batches") {
  HttpClient client;
  refused(client.post('[' + kPing + ']'), 400, -32600);
  refused(client.post('[' + kPing + ']', {{"MCP-Protocol-Version", "2026-07-28"}}), 400, -32600);
  for (const char* version : {"2025-06-18", "2025-11-25"}) {
    client.initialize(version);
    refused(client.in_session(Json::parse('[' + kPing + ']')), 400, -32600);
  }
}

TEST_CASE("HTTP: a request of no era is refused, and told how to be of one") {
  HttpClient client;
  refused(client.post(kPing), 400, -32600, 5);
  for (const char* version : {"2025-03-26", "2025-06-18", "2025-11-25"}) {
    refused(client.post(kPing, {{"MCP-Protocol-Version", version}}), 400, -32600, 5);
  }
}

TEST_CASE("HTTP: an unknown session is not found, whatever is asked of it") {
  HttpClient client;
  client.session = "0123";
  client.version = "2025-11-25";
  refused(client.request(5, "ping"), 404, -32600, 5);
  refused(client.notify("notifications/initialized"), 404, -32600);
  refused(client.get(), 404, -32600);
  refused(client.remove(), 404, -32600);
}

TEST_CASE("HTTP: other methods, and those of sessions without one, are not allowed") {
  HttpClient client;
  for (const char* method : {"GET", "DELETE", "PUT", "HEAD", "PATCH", "get"}) {
    const Exchange exchange = client.send(method, "", {{"Accept", "text/event-stream"}});
    refused(exchange, 405, -32600);
    CHECK(exchange->field("Allow") == "GET, POST, DELETE");
  }
  client.initialize();
  client.version = "2026-07-28";
  refused(client.get(), 405, -32600);
  refused(client.remove(), 405, -32600);
  client.version = "1900-01-01";
  refused(client.get(), 400, -32600);
}

TEST_CASE("HTTP: what is acceptable to nobody is not served") {
  HttpClient client;
  refused(
      client.send("POST", kPing, {{"Content-Type", "application/json"}, {"Accept", "text/html"}}),
      406, -32600);
  refused(client.send("POST", kPing, {{"Content-Type", "text/plain"}}), 415, -32600);
  refused(client.send("POST", kPing, {}), 415, -32600);
  client.initialize();
  refused(client.get({{"Accept", "application/json"}}), 406, -32600);
}

TEST_CASE("HTTP: a body that is too long is refused unread") {
  mcp::HttpBounds bounds = mcp::HttpBounds::standard();
  bounds.body_bytes = 100;
  HttpClient client(bounds);
  refused(client.post(std::string(101, ' ')), 413, -32600);
}

TEST_CASE("HTTP: who has too much open is told to wait") {
  mcp::HttpBounds bounds = mcp::HttpBounds::standard();
  bounds.exchanges = 3;
  HttpClient client(bounds);
  std::vector<Exchange> held;
  for (int i = 0; i < 3; ++i) held.push_back(client.tool(i, "hold", {{"key", std::to_string(i)}}));
  const Exchange exchange = client.call(HttpClient::modern(9, "tools/list"));
  refused(exchange, 503, -32603);
  CHECK(exchange->field("Retry-After") == "1");
  client.scripted.tools.answer("1");
  CHECK(client.call(HttpClient::modern(9, "tools/list"))->status == 200);
}

TEST_CASE("HTTP: who has sent too much that is not answered is told to wait") {
  mcp::HttpBounds bounds = mcp::HttpBounds::standard();
  bounds.bytes = 1000;
  HttpClient client(bounds);
  const Exchange held = client.tool(1, "hold", {{"key", std::string(500, 'x')}});
  CHECK(client.tool(2, "hold", {{"key", std::string(500, 'y')}})->status == 503);
  held->go_away();
  CHECK_FALSE(client.tool(2, "hold", {{"key", std::string(500, 'y')}})->begun());
}

TEST_CASE("HTTP: nothing endless that a client sends is sent back") {
  HttpClient client;
  const std::string endless(100'000, 'x');
  std::vector<Exchange> refusals;
  refusals.push_back(client.send(endless, "", {}));
  refusals.push_back(client.post(kPing, {{"Mcp-Session-Id", endless}}));
  refusals.push_back(client.post(kPing, {{"MCP-Protocol-Version", endless}}));
  refusals.push_back(client.post(R"({"jsonrpc":"2.0","id":")" + endless + R"(","method":"x"})"));
  client.initialize();
  refusals.push_back(client.get({{"Last-Event-ID", endless}}));
  refusals.push_back(client.get({{"MCP-Protocol-Version", endless}}));
  for (const Exchange& refusal : refusals) {
    CHECK(refusal->status >= 400);
    CHECK(refusal->body.size() < 2000);
  }
}

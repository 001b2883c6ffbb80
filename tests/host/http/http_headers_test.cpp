#include "host/upstream/http_headers.h"

#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

namespace {

std::string value_of(const HttpHeaders& headers, std::string_view name) {
  std::string found;
  std::size_t times = 0;
  for (const auto& [key, value] : headers) {
    if (key != name) continue;
    found = value;
    ++times;
  }
  CHECK(times <= 1);
  return found;
}

mcp::OutgoingMessage call() {
  mcp::OutgoingMessage message;
  message.method = "tools/call";
  message.id = 1;
  message.name = "add";
  message.protocol_version = "2026-07-28";
  message.modern = true;
  return message;
}

}  // namespace

TEST_CASE("HTTP: a value that no header may hold is encoded", "[http]") {
  CHECK(encoded_header_value("plain text!") == "plain text!");
  CHECK(encoded_header_value("") == "");
  CHECK(encoded_header_value("h\xc3\xa9") == "=?base64?aMOp?=");
  CHECK(encoded_header_value(" a") == "=?base64?IGE=?=");
  CHECK(encoded_header_value("a ") == "=?base64?YSA=?=");
  CHECK(encoded_header_value("a\r\nX: y") == "=?base64?YQ0KWDogeQ==?=");
  CHECK(encoded_header_value("=?base64?YQ==?=") == "=?base64?PT9iYXNlNjQ/WVE9PT89?=");
  CHECK(encoded_header_value("=?base64?a") == "=?base64?a");
}

TEST_CASE("HTTP: a modern message says in headers what it is", "[http]") {
  mcp::OutgoingMessage message = call();
  message.parameter_headers = {
      {"Region", "us-west1"}, {"bad name", "x"}, {"City", "Z\xc3\xbcrich"}};
  const HttpHeaders headers = headers_of(message, {}, "session", "");
  CHECK(value_of(headers, "MCP-Protocol-Version") == "2026-07-28");
  CHECK(value_of(headers, "Mcp-Method") == "tools/call");
  CHECK(value_of(headers, "Mcp-Name") == "add");
  CHECK(value_of(headers, "Mcp-Param-Region") == "us-west1");
  CHECK(value_of(headers, "Mcp-Param-City") == "=?base64?WsO8cmljaA==?=");
  CHECK(value_of(headers, "Mcp-Session-Id").empty());
  CHECK(value_of(headers, "Mcp-Param-bad name").empty());
}

TEST_CASE("HTTP: a message of the handshake eras names its session", "[http]") {
  mcp::OutgoingMessage message = call();
  message.modern = false;
  const HttpHeaders headers = headers_of(message, {}, "session", "");
  CHECK(value_of(headers, "Mcp-Session-Id") == "session");
  CHECK(value_of(headers, "Mcp-Method").empty());
}

TEST_CASE("HTTP: configured headers are sent, but not in the protocol's place", "[http]") {
  const std::map<std::string, std::string> configured = {{"Authorization", "Bearer mine"},
                                                         {"ACCEPT", "text/html"},
                                                         {"mcp-method", "ping"},
                                                         {"X-Tenant", "7"}};
  HttpHeaders headers = headers_of(call(), configured, "", "");
  CHECK(value_of(headers, "Authorization") == "Bearer mine");
  CHECK(value_of(headers, "X-Tenant") == "7");
  CHECK(value_of(headers, "ACCEPT").empty());
  CHECK(value_of(headers, "mcp-method").empty());
  CHECK(has_authorization({{"AUTHORIZATION", "x"}}));
  headers = headers_of(call(), configured, "", "token");
  CHECK(value_of(headers, "Authorization") == "Bearer token");
}

TEST_CASE("HTTP: headers that can't be sent are named, their values are not", "[http]") {
  CHECK_FALSE(mistake_in_headers({{"X-Key", "value with blanks"}}));
  const auto mistake = mistake_in_headers({{"X-Key", "secret\nHost: evil"}});
  REQUIRE(mistake);
  CHECK(mistake->find("X-Key") != std::string::npos);
  CHECK(mistake->find("secret") == std::string::npos);
  CHECK(mistake_in_headers({{"X Key", "a"}}));
  CHECK(mistake_in_headers({{"", "a"}}));
}

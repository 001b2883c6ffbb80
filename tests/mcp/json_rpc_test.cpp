#include "mcp/json_rpc.h"

#include "support/catch.h"

using namespace pyember::mcp;

namespace {

std::string id_text(std::string_view json) {
  const auto id = RequestId::from(parse_json(json).value());
  return id ? id->text() : "refused";
}

std::string found(std::string_view beginning, std::string_view end) {
  return find_id(beginning, end).text();
}

}  // namespace

TEST_CASE("RequestId: keeps the JSON type of what it was made from") {
  CHECK(id_text("1") == "1");
  CHECK(id_text("\"1\"") == "\"1\"");
  CHECK(id_text("-9223372036854775808") == "-9223372036854775808");
  CHECK(id_text("\"\"") == "\"\"");
}

TEST_CASE("RequestId: refuses what JSON-RPC does not allow, and endless strings") {
  for (const char* json : {"null", "1.0", "true", "[]", "{}", "1e3"})
    CHECK(id_text(json) == "refused");
  CHECK(id_text('"' + std::string(256, 'x') + '"') != "refused");
  CHECK(id_text('"' + std::string(257, 'x') + '"') == "refused");
}

TEST_CASE("find_id: finds an id that stands before the params") {
  CHECK(found(R"({"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"x":")", "") == "17");
  CHECK(found(R"({"id" : "a-b", "method":)", "") == "\"a-b\"");
}

TEST_CASE("find_id: finds an id that is the last member") {
  CHECK(found(R"({"method":"x","params":{)", R"(xxx"}},"jsonrpc":"2.0","id":17})") == "17");
  CHECK(found(R"({"method":"x","params":{)", R"(xxx"},"id": "z" } )") == "\"z\"");
}

TEST_CASE("find_id: does not take an id of the params for the request's") {
  CHECK(found(R"({"method":"x","params":{"id":5,)", R"("y":1}})").empty());
  CHECK(found(R"({"method":"x","params":{)", R"("id":5}})").empty());
}

TEST_CASE("find_id: gives up on what is no id") {
  CHECK(found("", "").empty());
  CHECK(found(R"({"id":null,)", "").empty());
  CHECK(found(R"({"id":1.5,)", "") != "1.5");
  CHECK(found(R"({"id":)", "").empty());
  CHECK(found(R"({"id":"never closed)", "").empty());
}

TEST_CASE("read_message: unknown members of a message are ignored") {
  const Message message = read_message(
      parse_json(R"({"extra":[1],"jsonrpc":"2.0","method":"m","id":1,"trace":"x"})").take());
  CHECK(message.kind == Message::Kind::Request);
  CHECK(message.method == "m");
  CHECK(message.params == Json::object());
}

TEST_CASE("error_line: says null where no id is known, and leaves out empty data") {
  CHECK(error_line({}, {RpcCode::ParseError, "no", {}}) ==
        R"({"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}})");
}

#include "mcp/server.h"

#include "base/limits.h"
#include "base/utf8.h"
#include "support/catch.h"
#include "support/scripted_server.h"

#include <memory>
#include <string>

// What a transcript can't show: sizes, lifetimes, callbacks that call back.
using namespace pyember;
using mcp::Json;
using test::ScriptedServer;

namespace {

const std::string kMeta =
    R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}})";

std::string call_line(const std::string& id, const std::string& tool,
                      const std::string& arguments) {
  return R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":"tools/call","params":{"name":")" + tool +
         R"(","arguments":)" + arguments + ',' + kMeta + "}}\n";
}

int error_code(const std::string& line) { return Json::parse(line).at("error").at("code"); }

// Still serving, and nothing else was left in the output.
bool serves(ScriptedServer& scripted) {
  if (!scripted.output.lines.empty()) return false;
  scripted.connection.receive("{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}\n");
  return scripted.output.take() == R"({"jsonrpc":"2.0","id":"p","result":{}})";
}

}  // namespace

TEST_CASE("Server: a line of 100 MB is refused under its id, and the next one is served") {
  ScriptedServer scripted;
  const std::string piece(1 << 20, 'x');
  scripted.connection.receive(R"({"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"x":")");
  for (int i = 0; i < 100; ++i) scripted.connection.receive(piece);
  scripted.connection.receive("\"}}\n");
  const Json answer = Json::parse(scripted.output.take());
  CHECK(answer["id"] == 5);
  CHECK(answer["error"]["code"] == -32600);
  CHECK(serves(scripted));
}

TEST_CASE("Server: nesting without end is refused without recursion") {
  ScriptedServer scripted;
  const auto opening = GENERATE(as<std::string>{}, "[", "{\"a\":", "[{\"\":");
  std::string line;
  while (line.size() < 1'000'000) line += opening;
  scripted.connection.receive(line + '\n');
  CHECK(error_code(scripted.output.take()) == -32600);
  CHECK(serves(scripted));
}

TEST_CASE("Server: a message that is too deep is refused under its id") {
  ScriptedServer scripted;
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  scripted.connection.receive(R"({"jsonrpc":"2.0","id":9,"method":"ping","params":{"x":)" + deep +
                              "}}\n");
  const Json answer = Json::parse(scripted.output.take());
  CHECK(answer["id"] == 9);
  CHECK(answer["error"]["code"] == -32600);
}

TEST_CASE("Server: an object with very many members is refused at once") {
  ScriptedServer scripted;
  std::string line = "{";
  for (int i = 0; i < 200'000; ++i) line += "\"k" + std::to_string(i) + "\":0,";
  scripted.connection.receive(line + "\"z\":0}\n");
  CHECK(error_code(scripted.output.take()) == -32600);
  CHECK(serves(scripted));
}

TEST_CASE("Server: a code of the largest size reaches its tool") {
  ScriptedServer scripted;
  const std::string key(limits::kMaximumCodeBytes, 'c');
  scripted.connection.receive(call_line("1", "hold", R"({"key":")" + key + "\"}"));
  REQUIRE(scripted.tools.held.contains(key));
  scripted.tools.held.clear();
  CHECK(scripted.output.take().find("-32603") != std::string::npos);
}

TEST_CASE("Server: what is written is valid UTF-8 on one line, whatever a tool answers") {
  ScriptedServer scripted;
  scripted.connection.receive(call_line("1", "hold", R"({"key":"k"})"));
  mcp::ToolResult result;
  result.content.push_back(mcp::text_block("a\xFF\xED\xA0\x80\n\x01z"));
  scripted.tools.held["k"]->complete(std::move(result));
  const std::string line = scripted.output.take();
  CHECK(utf8::is_valid(line));
  CHECK(line.find('\n') == std::string::npos);
  CHECK(Json::parse(line)["id"] == 1);
}

TEST_CASE("Server: error messages show what the client sent short and valid") {
  ScriptedServer scripted;
  scripted.connection.receive(call_line("1", std::string(100'000, 'x'), "{}"));
  CHECK(scripted.output.take().size() < 1000);
}

TEST_CASE("Server: nothing endless that a client sends is sent back") {
  ScriptedServer scripted;
  const std::string endless(1'000'000, 'x');
  const std::string capabilities = R"("io.modelcontextprotocol/clientCapabilities":{})";
  const std::string version = R"("io.modelcontextprotocol/protocolVersion":)";
  for (const std::string& meta :
       {version + '"' + endless + "\"," + capabilities,
        version + R"("2026-07-28",)" + capabilities + R"(,"progressToken":")" + endless + '"'}) {
    scripted.connection.receive(
        R"({"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{)" + meta + "}}}\n");
    CHECK(scripted.output.take().size() < 1000);
  }
  scripted.connection.receive(R"({"jsonrpc":"2.0","id":")" + endless + R"(","method":"ping"})" +
                              '\n');
  CHECK(scripted.output.take().size() < 1000);
  scripted.connection.receive(R"({"jsonrpc":"2.0","id":1,"method":")" + endless + "\"}\n");
  CHECK(scripted.output.take().size() < 1000);
  CHECK(serves(scripted));
}

TEST_CASE("Connection: destroyed with calls in flight it cancels them and writes nothing") {
  auto scripted = std::make_unique<ScriptedServer>();
  scripted->connection.receive(call_line("1", "hold", R"({"key":"k"})"));
  test::CapturedOutput output;
  mcp::ToolCatalog catalog;
  std::shared_ptr<mcp::ToolCall> call;
  catalog.add({"keep",
               "",
               "Keeps.",
               {{"type", "object"}},
               {},
               {},
               [&call](std::shared_ptr<mcp::ToolCall> given) { call = std::move(given); }});
  mcp::Server server({"s", "", "1"}, catalog, scripted->resources);
  auto connection = std::make_unique<mcp::Connection>(server, output);
  connection->receive(call_line("1", "keep", "{}"));
  REQUIRE(call != nullptr);
  bool told = false;
  call->on_cancel([&told] { told = true; });
  connection.reset();
  CHECK(told);
  call->complete({});
  CHECK(output.lines.empty());
}

TEST_CASE("Server: a read that is completed after the connection has gone does nothing") {
  test::CapturedOutput output;
  mcp::ToolCatalog catalog;
  test::ScriptedResources resources;
  mcp::Server server({"s", "", "1"}, catalog, resources);
  auto connection = std::make_unique<mcp::Connection>(server, output);
  connection->receive(
      R"({"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"note://late",)" +
      kMeta + "}}\n");
  REQUIRE(resources.late.size() == 1);
  connection.reset();
  resources.read_late();
  CHECK(output.lines.empty());
}

TEST_CASE("Server: a read that is completed while the connection goes is not answered") {
  test::CapturedOutput output;
  mcp::ToolCatalog catalog;
  test::ScriptedResources resources;
  std::shared_ptr<mcp::ToolCall> call;
  catalog.add({"keep",
               "",
               "Keeps.",
               {{"type", "object"}},
               {},
               {},
               [&call](std::shared_ptr<mcp::ToolCall> given) { call = std::move(given); }});
  mcp::Server server({"s", "", "1"}, catalog, resources);
  auto connection = std::make_unique<mcp::Connection>(server, output);
  connection->receive(
      R"({"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"note://late",)" +
      kMeta + "}}\n" + call_line("2", "keep", "{}"));
  REQUIRE(call != nullptr);
  call->on_cancel([&resources] { resources.read_late(); });
  connection.reset();
  CHECK(resources.late.empty());
  CHECK(output.lines.empty());
}

TEST_CASE("Server: a read that is completed twice is answered once") {
  ScriptedServer scripted;
  scripted.connection.receive(
      R"({"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"note://late",)" +
      kMeta + "}}\n");
  const auto done = scripted.resources.late.at(0);
  scripted.resources.read_late();
  done(Error{ErrorCode::Internal, "again"});
  CHECK(scripted.output.lines.size() == 1);
}

TEST_CASE("Server: a cancelled call may finish other calls while it is told") {
  ScriptedServer scripted;
  scripted.connection.receive(call_line("1", "hold", R"({"key":"one"})"));
  scripted.connection.receive(call_line("2", "hold", R"({"key":"two"})"));
  scripted.tools.held["one"]->on_cancel([&scripted] {
    scripted.tools.held.erase("one");
    scripted.tools.answer("two");
  });
  scripted.connection.receive(
      "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"
      "cancelled\",\"params\":{\"requestId\":1}}\n");
  REQUIRE(scripted.output.lines.size() == 1);
  CHECK(Json::parse(scripted.output.take())["id"] == 2);
  CHECK(scripted.server.in_flight() == 0);
}

TEST_CASE("Server: a thousand pipelined calls in one piece are all answered") {
  ScriptedServer scripted;
  std::string lines;
  for (int i = 0; i < 1000; ++i) lines += call_line(std::to_string(i), "echo", R"({"text":"x"})");
  scripted.connection.receive(lines);
  REQUIRE(scripted.output.lines.size() == 1000);
  CHECK(Json::parse(scripted.output.lines.back())["id"] == 999);
}

TEST_CASE("Server: knows whether anybody subscribes to a resource") {
  ScriptedServer scripted;
  CHECK_FALSE(scripted.server.has_subscriber("note://a"));
  scripted.connection.receive(
      R"({"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{)" + kMeta +
      R"(,"notifications":{"resourceSubscriptions":["note://a"]}}})" + "\n");
  CHECK(scripted.server.has_subscriber("note://a"));
  CHECK_FALSE(scripted.server.has_subscriber("note://b"));
}

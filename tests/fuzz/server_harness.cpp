#include "fuzz/server_harness.h"

#include "base/check.h"
#include "base/utf8.h"
#include "support/scripted_prompts.h"
#include "support/scripted_server.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

namespace pyember::test {
namespace {

// Small bounds, so that short inputs reach them.
mcp::ServerBounds small_bounds() {
  return {.line_bytes = 4096,
          .requests_in_flight = 4,
          .bytes_in_flight = 4096,
          .subscriptions = 2,
          .uris_per_subscription = 2,
          .page_size = 2};
}

void check_output(ScriptedServer& scripted) {
  for (const std::string& line : scripted.output.lines) {
    CHECK(utf8::is_valid(line));
    CHECK(line.find('\n') == std::string::npos);
    const mcp::Json message = mcp::Json::parse(line, nullptr, false);
    CHECK(message.is_object() || (message.is_array() && !message.empty()));
  }
  scripted.output.lines.clear();
}

void answer_one(ScriptedServer& scripted) {
  if (!scripted.tools.held.empty()) {
    scripted.tools.answer(std::string(scripted.tools.held.begin()->first));
  }
}

// The bytes as the body of a POST of the stateless era, whose client hangs up at once.
void post(ScriptedServer& scripted, std::string_view body) {
  const std::string_view word = body.substr(0, body.find('\n'));
  const mcp::RequestHeaders headers = {"2026-07-28",
                                       body.find("tools/call") == body.npos ? word : "tools/call",
                                       "hold", [word](std::string_view) { return word; }};
  mcp::Connection connection(scripted.server, scripted.output);
  connection.receive_message(mcp::parse_json(body), body, &headers);
}

// One more client, who listens, or leaves.
void come_or_go(ScriptedServer& scripted, std::optional<mcp::Connection>& other) {
  if (other) return other.reset();
  constexpr std::string_view kListen =
      R"({"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},"notifications":{"toolsListChanged":true,"resourceSubscriptions":["note://a"]}}})";
  other.emplace(scripted.server, scripted.output);
  other->receive_message(mcp::parse_json(kListen), kListen, nullptr);
}

// What goes on around the connection while bytes come in.
void happen(ScriptedServer& scripted, std::optional<mcp::Connection>& other,
            std::string_view bytes) {
  const auto event = static_cast<unsigned char>(bytes.front());
  switch (event % 8) {
    case 0:
      answer_one(scripted);
      break;
    case 1:
      scripted.resources.read_late();
      break;
    case 2:
      scripted.server.resource_updated("note://a");
      break;
    case 3:
      scripted.server.tools_list_changed();
      break;
    case 4:
      scripted.server.log(mcp::LogLevel::Error, "fuzz", "\xFF");
      break;
    case 5:
      if (!scripted.tools.held.empty()) {
        scripted.tools.held.begin()->second->progress(event, 300, "\xC3");
      }
      break;
    case 6:
      post(scripted, bytes.substr(1));
      break;
    default:
      come_or_go(scripted, other);
      break;
  }
}

void check_serving(ScriptedServer& scripted) {
  scripted.connection.receive(
      "\n{\"jsonrpc\":\"2.0\",\"id\":\"never used\",\"method\":\"ping\"}\n");
  const auto& lines = scripted.output.lines;
  CHECK(std::find(lines.begin(), lines.end(),
                  R"({"jsonrpc":"2.0","id":"never used","result":{}})") != lines.end());
  check_output(scripted);
}

}  // namespace

void drive_server(std::string_view bytes) {
  ScriptedPrompts prompts;  // one that is late is given up at its end
  ScriptedServer scripted(small_bounds());
  scripted.server.offer_prompts(prompts);
  std::optional<mcp::Connection> other;
  while (!bytes.empty()) {
    const auto first = static_cast<unsigned char>(bytes.front());
    const std::size_t size = std::min<std::size_t>(bytes.size(), 1 + first * 8u);
    scripted.connection.receive(bytes.substr(0, size));
    happen(scripted, other, bytes.substr(0, size));
    bytes.remove_prefix(size);
    check_output(scripted);
  }
  check_serving(scripted);
  while (!scripted.tools.held.empty()) answer_one(scripted);
  scripted.resources.read_late();
  prompts.held.reset();
  for (const auto& done : prompts.later) done(mcp::Completion{{"late"}});
  other.reset();
  scripted.connection.receive_end();
  check_output(scripted);
  CHECK(scripted.server.in_flight() == 0);
}

}  // namespace pyember::test

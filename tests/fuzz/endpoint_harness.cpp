#include "fuzz/endpoint_harness.h"

#include "base/check.h"
#include "base/utf8.h"
#include "mcp/http/endpoint.h"
#include "support/fake_exchange.h"
#include "support/scripted_server.h"

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace pyember::test {
namespace {

constexpr std::string_view kEndOfStep = "\n====\n";

// Small bounds, so that short inputs reach them.
mcp::HttpBounds small_bounds() {
  return {.body_bytes = 4096,
          .exchanges = 8,
          .bytes = 8192,
          .sessions = 2,
          .session_idle = std::chrono::seconds(40)};
}

std::string_view take_line(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

class Play {
 public:
  void step(std::string_view text) {
    if (!text.empty() && text.front() >= '0' && text.front() <= '9') {
      happen(static_cast<unsigned>(text.front() - '0'), text.substr(1));
    } else {
      request(text);
    }
    for (const auto& exchange : exchanges_) check(*exchange);
  }

  void end() {
    check_serving();
    while (!scripted_.tools.held.empty()) answer_one();
    scripted_.resources.read_late();
    endpoint_->close();
    CHECK(endpoint_->calls_in_flight() == 0);
    for (const auto& exchange : exchanges_) {
      check(*exchange);
      CHECK(exchange->over || exchange->is_gone());
    }
    CHECK(endpoint_->open_exchanges() == 0);
  }

 private:
  void request(std::string_view rest) {
    const std::string_view method = take_line(rest);
    mcp::HttpFields fields;
    while (!rest.empty()) {
      const std::string_view line = take_line(rest);
      if (line.empty()) break;
      const std::size_t colon = line.find(": ");
      if (colon == std::string_view::npos) continue;
      fields.push_back(
          {std::string(line.substr(0, colon)), value_of(std::string(line.substr(colon + 2)))});
    }
    auto exchange =
        std::make_shared<FakeExchange>(std::string(method), std::string(rest), std::move(fields));
    exchanges_.push_back(exchange);
    endpoint_->handle(exchange, caller_);
    if (const auto session = exchange->field("Mcp-Session-Id")) session_ = *session;
  }

  std::string value_of(std::string value) const {
    if (value == "$S") return session_;
    if (value == "$E") return event_;
    return value;
  }

  // What goes on around the endpoint.
  void happen(unsigned event, std::string_view more) {
    const std::size_t chosen = more.empty() ? 0 : static_cast<unsigned char>(more.front());
    switch (event) {
      case 0:
        return answer_one();
      case 1:
        return scripted_.resources.read_late();
      case 2:
        return scripted_.server.resource_updated("note://a");
      case 3:
        return scripted_.server.tools_list_changed();
      case 4:
        return scripted_.server.log(mcp::LogLevel::Error, "fuzz", "\xFF");
      case 5:
        return report(chosen);
      case 6:
        if (!exchanges_.empty()) exchanges_[chosen % exchanges_.size()]->go_away();
        return;
      case 7:
        caller_.may_call = chosen % 2 == 0 ? std::function<bool(std::string_view)>()
                                           : [](std::string_view tool) { return tool == "echo"; };
        return;
      case 8:
        return ask();
      default:
        now_ += std::chrono::seconds(1 + chosen % 20);
        return endpoint_->tick(now_);
    }
  }

  void report(std::size_t progress) {
    if (scripted_.tools.held.empty()) return;
    scripted_.tools.held.begin()->second->progress(static_cast<double>(progress), 300, "\xC3");
  }

  void ask() {
    if (scripted_.tools.held.empty()) return;
    const mcp::Json form = {{"type", "object"}, {"properties", mcp::Json::object()}};
    const auto call = scripted_.tools.held.begin()->second;  // which an answer may let go of
    call->ask({.message = "?", .requested_schema = form}, [](const Result<mcp::Answer>&) {});
  }

  void answer_one() {
    if (scripted_.tools.held.empty()) return;
    scripted_.tools.answer(std::string(scripted_.tools.held.begin()->first));
  }

  static void check_message(const std::string& text) {
    CHECK(utf8::is_valid(text));
    CHECK(text.find('\n') == std::string::npos);
    const mcp::Json message = mcp::Json::parse(text, nullptr, false);
    CHECK(message.is_object() || (message.is_array() && !message.empty()));
  }

  void check(const FakeExchange& exchange) {
    if (!exchange.begun()) return;
    if (!exchange.streams) {
      if (!exchange.body.empty()) check_message(exchange.body);
      return;
    }
    for (const SseEvent& event : exchange.events()) {
      if (!event.data.empty()) check_message(event.data);
      if (!event.id.empty()) event_ = event.id;
    }
  }

  void check_serving() {
    const auto exchange = std::make_shared<FakeExchange>(
        "POST",
        R"({"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{)"
        R"("io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
        R"("io.modelcontextprotocol/clientCapabilities":{}}}})",
        mcp::HttpFields{{"Content-Type", "application/json"},
                        {"MCP-Protocol-Version", "2026-07-28"},
                        {"Mcp-Method", "server/discover"}});
    endpoint_->handle(exchange, {});
    CHECK(exchange->status == 200 || exchange->status == 503);  // as much is open as may be
  }

  ScriptedServer scripted_;
  mcp::HttpCaller caller_;
  std::unique_ptr<mcp::HttpEndpoint> endpoint_ =
      std::make_unique<mcp::HttpEndpoint>(scripted_.server, small_bounds());
  std::vector<std::shared_ptr<FakeExchange>> exchanges_;
  std::string session_ = "none";
  std::string event_ = "none";
  std::chrono::steady_clock::time_point now_{std::chrono::hours(1)};
};

}  // namespace

void drive_endpoint(std::string_view bytes) {
  Play play;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find(kEndOfStep), bytes.size());
    play.step(bytes.substr(0, end));
    bytes.remove_prefix(std::min(end + kEndOfStep.size(), bytes.size()));
  }
  play.end();
}

}  // namespace pyember::test

#include "fuzz/client_harness.h"

#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/limits.h"
#include "mcp/client.h"

namespace pyember::test {

using namespace mcp;

namespace {

constexpr std::size_t kMostSent = 10'000;  // of one input's messages, each of which asks for little

class Talk final : Client::Owner {
 public:
  explicit Talk(bool over_http) : client_({"1", over_http, false, capabilities()}, *this) {
    client_.start();
  }

  void say(std::string_view line) { client_.receive(line); }
  void begin(std::string_view first_answer, std::string_view second_answer) {
    say(first_answer);
    if (!second_answer.empty()) say(second_answer);
    CHECK(client_.ready());
    for (const char* method : {"tools/call", "resources/read", "prompts/get"}) ask(method);
    client_.list("tools/list", done());
    client_.listen();
  }
  // Whatever is in flight has its end.
  void end() {
    for (std::int64_t id = 1; id < 100; ++id) {
      client_.answer_question(id, {Json::object(), std::nullopt});
      client_.session_lost(id);
      client_.cancel(id);
      client_.request_failed(id, {ErrorCode::Unavailable, "gone"});
    }
    client_.probe_timed_out();
  }

 private:
  void ask(const std::string& method) {
    client_.request(method, Json{{"name", "t"}, {"uri", "u"}, {"arguments", Json::object()}},
                    done(), [](double, std::optional<double>, std::string_view) {});
  }
  Client::Done done() {
    answered_.push_back(false);
    return [this, place = answered_.size() - 1](const ClientAnswer&) {
      CHECK(!answered_[place]);
      answered_[place] = true;
    };
  }

  void client_sends(OutgoingMessage message) override {
    CHECK(message.text.find('\n') == std::string::npos);
    CHECK(parse_json(message.text, {160, limits::kUpstreamJsonMembers, limits::kUpstreamJsonValues})
              .ok());
    CHECK(++sent_ < kMostSent);
  }
  void client_abandons(std::int64_t) override {}
  void client_is_ready() override {}
  void client_failed(const std::string& why) override { CHECK(!why.empty()); }
  void client_sees_tools_changed() override {}
  void client_stopped_listening() override {}
  void client_cannot_read(std::string_view) override {}
  // Some are answered at once, some later or never, and some with an error.
  void client_is_asked(ClientAsked asked) override {
    CHECK(asked.params.is_object());
    if (asked.question % 3 == 0) return;
    ClientAnswer answer{Json{{"action", "accept"}}, std::nullopt};
    if (asked.question % 3 == 2) answer.error = ClientError{};
    client_.answer_question(asked.question, std::move(answer));
  }
  static Json capabilities() {
    return {{"elicitation", Json::object()}, {"roots", Json::object()}};
  }

  std::vector<bool> answered_;
  std::size_t sent_ = 0;
  Client client_;
};

template <typename Each>
void for_each_line(std::string_view input, Each each) {
  std::size_t lines = 0;
  while (!input.empty() && ++lines < 1000) {
    const std::size_t end = input.find('\n');
    each(input.substr(0, end));
    input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
  }
}

constexpr std::string_view kDiscovered =
    R"({"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true}}}})";
constexpr std::string_view kRefused =
    R"({"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}})";
constexpr std::string_view kInitialized =
    R"({"jsonrpc":"2.0","id":2,"result":{"protocolVersion":"2025-03-26","capabilities":{"tools":{}}}})";

}  // namespace

void drive_client(std::string_view input) {
  for (const bool over_http : {false, true}) {
    Talk starting(over_http);
    Talk modern(over_http);
    modern.begin(kDiscovered, {});
    Talk handshake(over_http);
    handshake.begin(kRefused, kInitialized);
    for (Talk* talk : {&starting, &modern, &handshake}) {
      for_each_line(input, [&](std::string_view line) { talk->say(line); });
      talk->end();
    }
  }
}

}  // namespace pyember::test

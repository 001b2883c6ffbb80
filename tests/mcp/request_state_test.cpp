#include "mcp/request_state.h"

#include "base/hmac.h"
#include "base/limits.h"
#include "mcp/waiting_calls.h"
#include "support/catch.h"

#include <chrono>
#include <memory>
#include <string>
#include <variant>

// Sealed request states: what a client can do with them, and what not.
using namespace pyember;
using Catch::Contains;
using mcp::RequestStates;

namespace {

constexpr RequestStates::Subject kSubject = {"tools/call", "run_python", 17};

struct Sealed {
  RequestStates::Clock::time_point time = RequestStates::Clock::now();
  RequestStates states{[this] { return time; }};

  std::string open(std::string_view state, const RequestStates::Subject& subject = kSubject) {
    const auto opened = states.open(state, subject);
    if (const auto* refused = std::get_if<RequestStates::Refused>(&opened))
      return "! " + refused->why;
    return std::get<std::string>(opened);
  }
};

}  // namespace

// RFC 4231, cases 1, 2, 6
TEST_CASE("HMAC-SHA256: is as published") {
  CHECK(hmac_sha256_hex(std::string(20, '\x0b'), "Hi There") ==
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(hmac_sha256_hex("Jefe", "what do ya want for nothing?") ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hmac_sha256_hex(std::string(131, '\xaa'),
                        "Test Using Larger Than Block-Size Key - Hash Key First") ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  CHECK(same_in_constant_time("abc", "abc"));
  CHECK_FALSE(same_in_constant_time("abc", "abd"));
  CHECK_FALSE(same_in_constant_time("abc", "ab"));
}

TEST_CASE("Request states: one opens for the request it was sealed for") {
  Sealed sealed;
  const std::string state = sealed.states.seal("name", kSubject);
  CHECK(sealed.open(state) == "name");
  CHECK_THAT(sealed.open(state, {"prompts/get", "run_python", 17}), Contains("another tool"));
  CHECK_THAT(sealed.open(state, {"tools/call", "run_pytho", 17}), Contains("another tool"));
  CHECK_THAT(sealed.open(state, {"tools/call", "run_python", 18}), Contains("other arguments"));
}

TEST_CASE("Request states: whatever is changed of one is seen") {
  Sealed sealed;
  const std::string state = sealed.states.seal("name", kSubject);
  for (std::size_t i = 0; i < state.size(); ++i) {
    std::string changed = state;
    changed[i] = changed[i] == '1' ? '2' : '1';
    CAPTURE(changed);
    CHECK(sealed.open(changed).starts_with("! "));
    changed.erase(i);
    CHECK(sealed.open(changed).starts_with("! "));
  }
  for (const std::string& other : {std::string(), std::string("."), std::string(".."), state + "0",
                                   "x" + state, std::string(1000, '.'), state + "." + state}) {
    CHECK(sealed.open(other).starts_with("! "));
  }
}

TEST_CASE("Request states: those of another server are nothing here, unless it left its key") {
  Sealed one;
  Sealed two;
  const std::string state = one.states.seal("name", kSubject);
  CHECK(two.open(state).starts_with("! "));
  two.states.set_key(one.states.key());
  CHECK(two.open(state) == "name");
}

TEST_CASE("Request states: they have their time") {
  Sealed sealed;
  const std::string state = sealed.states.seal("name", kSubject);
  sealed.time += limits::kWaitingCallLifetime - std::chrono::seconds(1);
  CHECK(sealed.open(state) == "name");
  sealed.time += std::chrono::seconds(3);
  CHECK_THAT(sealed.open(state), Contains("time is over"));
}

TEST_CASE("Waiting calls: one whose client does not come back is given up") {
  mcp::WaitingCalls waiting;
  const mcp::Tool tool;
  const auto now = RequestStates::Clock::now();
  mcp::ToolCall::Options options;
  options.client.forms = true;
  struct Ignored : mcp::ToolCallSink {
    void call_progress(double, std::optional<double>, std::string_view) override {}
    void call_log(mcp::LogLevel, std::string_view, const mcp::Json&) override {}
    void call_completed(mcp::ToolResult) override {}
    void call_failed(mcp::RpcError) override {}
  } ignored;
  mcp::ToolCall call(mcp::Json::object(), options, ignored);
  auto one = std::make_unique<mcp::WaitingCall>("one", tool, 0, call);
  one->until = now;
  call.move_to(*one, options);
  waiting.add(std::move(one));
  waiting.give_up_late(now);
  CHECK(waiting.running() == 1);
  waiting.give_up_late(now + std::chrono::seconds(1));
  CHECK(waiting.running() == 0);
  CHECK(waiting.find("one") == nullptr);
  CHECK(call.cancelled());
}

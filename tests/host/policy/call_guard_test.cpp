#include "host/upstream/policy/call_guard.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loop_fixture.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;
using Catch::Contains;
using mcp::Answer;
using mcp::Json;

namespace {

// A client as the call of run_python knows it: shows what it is asked, answers when told.
class Client final : public mcp::ToolCallSink {
 public:
  explicit Client(bool can_ask)
      : call(std::make_shared<mcp::ToolCall>(
            Json::object(), mcp::ToolCall::Options{.client = {.forms = can_ask}}, *this)) {}
  ~Client() override { call->complete({}); }

  void call_progress(double, std::optional<double>, std::string_view) override {}
  void call_log(mcp::LogLevel, std::string_view, const Json&) override {}
  void call_completed(mcp::ToolResult) override {}
  void call_failed(mcp::RpcError) override {}
  void call_asks() override {
    while (const auto question = call->take_question()) {
      shown.push_back({question->number, question->question->message});
    }
  }
  void call_withdraws(std::uint64_t question) override {
    std::erase_if(shown, [question](const auto& each) { return each.first == question; });
  }

  void answer(Answer::Action action, Json content = Json::object()) {
    REQUIRE_FALSE(shown.empty());
    const std::uint64_t number = shown.front().first;
    shown.pop_front();
    call->answer_question(number, Answer{action, std::move(content)});
  }
  std::string question() const { return shown.empty() ? "" : shown.front().second; }

  std::deque<std::pair<std::uint64_t, std::string>> shown;
  std::shared_ptr<mcp::ToolCall> call;
};

// What became of a call.
struct Fate {
  std::string said = "waits";
  std::uint64_t number = 0;
};

struct Guarded {
  explicit Guarded(const std::string& policy_text, bool can_ask = true)
      : policy(Policy::parse(policy_text, "/p/policy.json").take()), client(can_ask) {
    run->session = "main";
    run->client = client.call;
    pins.seen("github", "ab", tools());
  }

  static Json tools() {
    return Json::array(
        {{{"name", "get"}, {"annotations", {{"readOnlyHint", true}}}}, {{"name", "create"}}});
  }
  void change_tools() {
    Json now = tools();
    now.push_back({{"name", "more"}, {"description", "Does more."}});
    pins.seen("github", "ab", now);
  }

  std::shared_ptr<Fate> call(const std::string& tool, const Json& arguments = Json::object()) {
    const auto fate = std::make_shared<Fate>();
    CallGuard::Call made;
    made.server = made.alias = "github";
    made.name = tool;
    made.arguments = &arguments;
    fate->number = guard.check(run, made, saying(fate));
    return fate;
  }
  std::shared_ptr<Fate> accept(const std::string& id) {
    const auto fate = std::make_shared<Fate>();
    fate->number = guard.accept_tools(run, "github", id, saying(fate));
    return fate;
  }
  static CallGuard::Done saying(const std::shared_ptr<Fate>& fate) {
    return [fate](const Result<void>& result) {
      CHECK(fate->said == "waits");  // once only
      fate->said = result.ok() ? "ok" : result.error().message;
    };
  }
  std::string change_id() { return pins.change("github")->id; }

  LoopFixture fixture;
  Policy policy;
  ToolPins pins{fixture.loop, ""};
  Client client;
  std::shared_ptr<RunConsent> run = std::make_shared<RunConsent>();
  CallGuard guard{fixture.loop, policy, pins};
};

const char* const kAsk = R"({"servers":{"github":"ask"}})";

}  // namespace

TEST_CASE("Call guard: what is allowed goes through at once, what is denied says by which rule") {
  Guarded guarded(R"({"servers":{"github":{"tools":{"create":"deny"}}}})");
  CHECK(guarded.call("get")->said == "ok");
  const auto denied = guarded.call("create");
  CHECK(denied->number == 0);
  CHECK_THAT(denied->said, Contains("create of 'github' was not called"));
  CHECK_THAT(denied->said, Contains(R"(servers.github.tools["create"] in /p/policy.json)"));
}

TEST_CASE("Call guard: a question names the server, the tool and the arguments") {
  Guarded guarded(kAsk);
  const auto fate = guarded.call("create", {{"title", "x\ny"}});
  CHECK(fate->said == "waits");
  CHECK_THAT(guarded.client.question(), Contains("session 'main'"));
  CHECK_THAT(guarded.client.question(), Contains("create of 'github'"));
  CHECK_THAT(guarded.client.question(), Contains(R"({"title":"x\ny"})"));
  guarded.client.answer(Answer::Action::Accept);
  CHECK(fate->said == "ok");
}

TEST_CASE("Call guard: arguments that are too long to be shown are said to be") {
  Guarded guarded(kAsk);
  guarded.call("create", {{"body", std::string(100'000, 'x')}});
  CHECK(guarded.client.question().size() < 3000);
  CHECK_THAT(guarded.client.question(), Contains("… (100011 bytes, not all shown)"));
}

TEST_CASE("Call guard: no, and no word, are both a denial") {
  Guarded guarded(kAsk);
  const auto declined = guarded.call("create");
  guarded.client.answer(Answer::Action::Decline);
  CHECK_THAT(declined->said, Contains("the user said no"));
  const auto closed = guarded.call("create");
  guarded.client.answer(Answer::Action::Cancel);
  CHECK_THAT(closed->said, Contains("closed the question"));
}

TEST_CASE("Call guard: who can't be asked has not said yes") {
  Guarded guarded(kAsk, false);
  CHECK_THAT(guarded.call("create")->said, Contains("capability for elicitation"));
  guarded.run->client.reset();
  CHECK_THAT(guarded.call("create")->said, Contains("no client waits"));
}

TEST_CASE("Call guard: calls that come while a question is open are asked about together") {
  Guarded guarded(kAsk);
  std::vector<std::shared_ptr<Fate>> fates;
  for (int i = 0; i < 20; ++i) fates.push_back(guarded.call("create", {{"n", i}}));
  CHECK(guarded.client.shown.size() == 1);
  guarded.client.answer(Answer::Action::Accept);
  CHECK(fates[0]->said == "ok");
  CHECK(fates[1]->said == "waits");
  CHECK(guarded.client.shown.size() == 1);
  CHECK_THAT(guarded.client.question(), Contains("19 times"));
  CHECK_THAT(guarded.client.question(), Contains(R"({"n":19})"));
  guarded.client.answer(Answer::Action::Accept);
  for (const auto& fate : fates) CHECK(fate->said == "ok");
  CHECK(guarded.client.shown.empty());
}

TEST_CASE("Call guard: an answer for all further calls of the tool is one for this run") {
  Guarded guarded(kAsk);
  const auto first = guarded.call("create");
  const auto second = guarded.call("create");
  const auto other = guarded.call("get");
  guarded.client.answer(Answer::Action::Accept, {{"all", true}});
  CHECK(first->said == "ok");
  CHECK(second->said == "ok");
  CHECK(guarded.call("create")->said == "ok");
  CHECK(other->said == "waits");
  guarded.run = std::make_shared<RunConsent>(RunConsent{"main", guarded.client.call});
  CHECK(guarded.call("create")->said == "waits");
}

TEST_CASE("Call guard: a call that is not wanted any more takes its question along") {
  Guarded guarded(kAsk);
  const auto first = guarded.call("create", {{"n", 1}});
  const auto second = guarded.call("create", {{"n", 2}});
  guarded.guard.cancel(first->number);
  CHECK(guarded.client.shown.size() == 1);
  CHECK_THAT(guarded.client.question(), Contains(R"({"n":2})"));
  guarded.guard.cancel(second->number);
  CHECK(guarded.client.shown.empty());
  CHECK(first->said == "waits");
  CHECK(second->said == "waits");
  guarded.guard.cancel(12345);
}

TEST_CASE("Call guard: when the call that asked is over, the answer is no") {
  Guarded guarded(kAsk);
  const auto fate = guarded.call("create");
  const auto next = guarded.call("create");
  guarded.client.call->complete({});
  CHECK_THAT(fate->said, Contains("got no answer"));
  CHECK_THAT(next->said, Contains("got no answer"));
}

TEST_CASE("Call guard: a guard that is gone answers nobody") {
  LoopFixture fixture;
  Client client(true);
  const Policy policy = Policy::parse(kAsk, "p").take();
  ToolPins pins(fixture.loop, "");
  const auto run = std::make_shared<RunConsent>(RunConsent{"main", client.call});
  bool called = false;
  {
    CallGuard guard(fixture.loop, policy, pins);
    guard.check(run, {UpstreamSubject::Tool, "github", "github", "b"},
                [&called](const Result<void>&) { called = true; });
  }
  client.answer(Answer::Action::Accept);
  CHECK_FALSE(called);
}

TEST_CASE("Call guard: changed tools are asked about, once for all who wait") {
  Guarded guarded("{}");
  guarded.change_tools();
  CHECK(guarded.call("get")->said == "ok");
  const auto one = guarded.call("create");
  const auto two = guarded.call("more");
  REQUIRE(guarded.client.shown.size() == 1);
  CHECK_THAT(guarded.client.question(), Contains("added more: \"Does more.\""));
  guarded.client.answer(Answer::Action::Accept);
  CHECK(one->said == "ok");
  CHECK(two->said == "ok");
  CHECK(guarded.call("create")->said == "ok");
}

TEST_CASE("Call guard: a change that was declined is not asked about again in the run") {
  Guarded guarded("{}");
  guarded.change_tools();
  const auto fate = guarded.call("create");
  guarded.client.answer(Answer::Action::Decline);
  CHECK_THAT(fate->said, Contains("the user said no"));
  CHECK_THAT(guarded.call("create")->said, Contains("not those that were accepted"));
  CHECK(guarded.client.shown.empty());
}

TEST_CASE("Call guard: who can't be asked is shown the change, and accepts it by its id") {
  Guarded guarded("{}", false);
  guarded.change_tools();
  const auto denied = guarded.call("create");
  CHECK_THAT(denied->said, Contains("added more"));
  CHECK_THAT(denied->said,
             Contains("runtime.accept_tools(\"github\", \"" + guarded.change_id() + "\")"));
  CHECK_THAT(guarded.call("create")->said, Contains("not those"));
  CHECK_THAT(guarded.accept("guessed")->said, Contains("\"guessed\" is not what"));
  CHECK(guarded.accept(guarded.change_id())->said == "ok");
  CHECK(guarded.call("create")->said == "ok");
  CHECK(guarded.accept("whatever")->said == "ok");  // nothing is left to accept
}

TEST_CASE("Call guard: code does not accept what a person can be asked about") {
  Guarded guarded("{}");
  guarded.change_tools();
  const auto fate = guarded.accept(guarded.change_id());
  CHECK(fate->said == "waits");
  guarded.client.answer(Answer::Action::Decline);
  CHECK_THAT(fate->said, Contains("were not accepted"));
  const auto again = guarded.accept(guarded.change_id());
  guarded.client.answer(Answer::Action::Accept);
  CHECK(again->said == "ok");
  CHECK(guarded.pins.change("github") == nullptr);
}

TEST_CASE("Call guard: a change accepted, the call itself is still asked about") {
  Guarded guarded(kAsk);
  guarded.change_tools();
  const auto fate = guarded.call("create");
  guarded.client.answer(Answer::Action::Accept);
  CHECK(fate->said == "waits");
  CHECK_THAT(guarded.client.question(), Contains("wants to call create"));
  guarded.guard.cancel(fate->number);
  CHECK(guarded.client.shown.empty());
}

TEST_CASE("Call guard: tools that change again while they are asked about are not accepted") {
  Guarded guarded("{}");
  guarded.change_tools();
  const auto fate = guarded.call("create");
  Json other = Guarded::tools();
  other.push_back({{"name", "worse"}});
  guarded.pins.seen("github", "ab", other);
  guarded.client.answer(Answer::Action::Accept);
  CHECK_THAT(fate->said, Contains("added worse"));
  CHECK(guarded.pins.change("github") != nullptr);
}

TEST_CASE("Call guard: where the policy says so, changed tools are accepted without a word") {
  Guarded guarded(R"({"tool_changes":"allow"})");
  guarded.change_tools();
  CHECK(guarded.call("create")->said == "ok");
  CHECK(guarded.pins.change("github") == nullptr);
  CHECK(guarded.client.shown.empty());
}

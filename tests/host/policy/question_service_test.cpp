#include "host/questions/question_service.h"

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "host/questions/input_requests.h"
#include "host/questions/session_services.h"
#include "host/questions/upstream_questions.h"
#include "loop_fixture.h"
#include "support/catch.h"

// What code, and the servers it calls, have a client asked.
using namespace pyember;
using namespace pyember::host;
using Catch::Contains;
using mcp::Answer;
using mcp::InputRequest;
using mcp::Json;
using std::chrono::nanoseconds;

namespace {

const Json kForm = {{"type", "object"}, {"properties", {{"answer", {{"type", "string"}}}}}};

// A call of run_python whose client answers when it is told to.
class Client final : public mcp::ToolCallSink {
 public:
  explicit Client(mcp::ClientCapabilities can = {.forms = true}) {
    mcp::ToolCall::Options options;
    options.client = can;
    call = std::make_shared<mcp::ToolCall>(Json::object(), options, *this);
  }
  ~Client() override { call->complete({}); }

  void call_progress(double, std::optional<double>, std::string_view) override {}
  void call_log(mcp::LogLevel, std::string_view, const Json&) override {}
  void call_completed(mcp::ToolResult) override {}
  void call_failed(mcp::RpcError) override {}
  void call_asks() override {
    while (const auto question = call->take_question()) {
      shown.emplace_back(question->number, *question->question);
    }
  }
  void call_withdraws(std::uint64_t question) override {
    std::erase_if(shown, [question](const auto& each) { return each.first == question; });
  }
  void answer(Answer answer) {
    REQUIRE_FALSE(shown.empty());
    const std::uint64_t number = shown.front().first;
    shown.pop_front();
    call->answer_question(number, std::move(answer));
  }

  std::deque<std::pair<std::uint64_t, InputRequest>> shown;
  std::shared_ptr<mcp::ToolCall> call;
};

struct Asked {
  explicit Asked(mcp::ClientCapabilities can = {.forms = true}) : client(can) {
    permit->session = "main";
    permit->cell = 1;
    permit->client = client.call;
    permit->clock = std::make_shared<CellClock>([this](nanoseconds by) { moved.push_back(by); });
  }

  std::uint64_t serve(const std::string& op, Json fields) {
    return service.serve(permit, {op, std::move(fields), {}},
                         [this](CallAnswer answer) { answers.push_back(std::move(answer)); });
  }
  std::string kind() const {
    return answers.empty()        ? "waits"
           : answers.back().error ? std::string(answers.back().error->kind)
                                  : "answered";
  }

  LoopFixture fixture;
  std::vector<nanoseconds> moved;
  Client client;
  std::shared_ptr<RunPermit> permit = std::make_shared<RunPermit>();
  QuestionService service{fixture.loop};
  std::vector<CallAnswer> answers;
};

Json question(const std::string& message) { return {{"message", message}, {"schema", kForm}}; }

}  // namespace

TEST_CASE("Question service: a question names who asks, and its answer is the operation's") {
  Asked asked;
  CHECK(asked.serve("ask", question("Why?")) != 0);
  CHECK(asked.client.shown.front().second.message == "Python code in session 'main' asks: Why?");
  CHECK(asked.client.shown.front().second.requested_schema == kForm);
  CHECK(asked.kind() == "waits");
  asked.client.answer({Answer::Action::Accept, {{"answer", "so"}}});
  REQUIRE(asked.kind() == "answered");
  CHECK(Json::parse(asked.answers[0].value) ==
        Json{{"action", "accept"}, {"content", {{"answer", "so"}}}});
}

TEST_CASE(
    "Question service: the cell's time stands still while questions are open, within bounds") {
  Asked asked;
  asked.serve("ask", question("One?"));
  REQUIRE(asked.moved.size() == 1);
  CHECK(asked.moved[0] == limits::kHeldForQuestions);
  asked.serve("ask", question("Two?"));
  asked.client.answer({Answer::Action::Decline});
  CHECK(asked.moved.size() == 1);
  asked.client.answer({Answer::Action::Cancel});
  REQUIRE(asked.moved.size() == 2);
  const nanoseconds waited = asked.moved[0] + asked.moved[1];
  CHECK(waited > nanoseconds(0));
  asked.serve("ask", question("Three?"));
  REQUIRE(asked.moved.size() == 3);
  CHECK(asked.moved[2] == limits::kHeldForQuestions - waited);
}

TEST_CASE("Question service: what is not wanted any more is taken back") {
  Asked asked;
  const std::uint64_t id = asked.serve("ask", question("Why?"));
  asked.service.cancel(id);
  CHECK(asked.client.shown.empty());
  CHECK(asked.moved.size() == 2);
  CHECK(asked.kind() == "waits");
  asked.service.cancel(id);
}

TEST_CASE("Question service: one that nobody answers in time is taken back") {
  Asked asked;
  Json fields = question("Why?");
  fields["timeout"] = 0.02;
  asked.serve("ask", fields);
  CHECK(asked.fixture.until([&] { return asked.kind() == "timeout"; }, std::chrono::seconds(10)));
  CHECK(asked.client.shown.empty());
}

TEST_CASE("Question service: who can't be asked is not asked") {
  Asked asked;
  asked.serve(
      "sample",
      {{"request",
        {{"messages", {{{"role", "user"}, {"content", {{"type", "text"}}}}}}, {"maxTokens", 5u}}}});
  CHECK(asked.kind() == "no_client");
  CHECK_THAT(asked.answers[0].error->message, Contains("sampling"));
  asked.serve("roots", Json::object());
  CHECK(asked.kind() == "no_client");
  asked.permit->client.reset();
  asked.serve("ask", question("Why?"));
  CHECK(asked.kind() == "no_client");
  CHECK_THAT(asked.answers.back().error->message, Contains("background"));
  CHECK(asked.client.shown.empty());
}

TEST_CASE("Question service: what is no question is a mistake of the code") {
  Asked asked({.forms = true, .urls = true, .sampling = true});
  const std::string large(limits::kQuestionTextBytes, 'x');
  for (const Json& fields :
       {Json::object(), Json{{"schema", 7}}, question(large), Json{{"message", "x"}, {"url", "x"}},
        Json{{"message", "x"}, {"url", "https://me:secret@example.com/"}},
        Json{{"message", "x"}, {"url", "javascript:alert(1)"}},
        Json{{"message", "x"}, {"url", "https://a b/"}}}) {
    CAPTURE(fields.dump().substr(0, 200));
    asked.serve("ask", fields);
    CHECK(asked.kind() == "arguments");
  }
  for (const Json& wrong : {Json(0), Json(-1), Json("5"), Json(1e9)}) {
    Json fields = question("Why?");
    fields["timeout"] = wrong;
    asked.serve("ask", fields);
    CHECK(asked.kind() == "arguments");
  }
  const Json message = {{"role", "user"}, {"content", {{"type", "text"}, {"text", "x"}}}};
  for (const Json& request :
       {Json(), Json::object(), Json{{"messages", Json::array()}, {"maxTokens", 1u}},
        Json{{"messages", {message}}}, Json{{"messages", {message}}, {"maxTokens", 0u}},
        Json{{"messages", {message}}, {"maxTokens", 1u}, {"tools", Json::array()}},
        Json{{"messages", {message}}, {"maxTokens", 1u}, {"temperature", "hot"}},
        Json{{"messages", {{{"role", "system"}, {"content", message["content"]}}}},
             {"maxTokens", 1u}}}) {
    CAPTURE(request.dump());
    asked.serve("sample", {{"request", request}});
    CHECK(asked.kind() == "arguments");
  }
  CHECK(asked.client.shown.empty());
}

TEST_CASE("Session services: without upstreams questions are served all the same") {
  Asked asked;
  SessionServices services(asked.fixture.loop, nullptr);
  std::vector<CallAnswer> answers;
  const auto done = [&](CallAnswer answer) { answers.push_back(std::move(answer)); };
  const std::uint64_t id = services.serve(asked.permit, {"ask", question("Why?"), {}}, done);
  CHECK(asked.client.shown.size() == 1);
  services.cancel(id);
  CHECK(asked.client.shown.empty());
  CHECK(services.serve(asked.permit, {"servers", Json::object(), {}}, done) == 0);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].error->kind == "no_channel");
}

TEST_CASE("Upstream questions: the client is told which server asks") {
  Asked asked({.forms = true, .roots = true});
  const UpstreamQuestions ask = questions_for(asked.service, asked.permit, "github");
  std::vector<Result<Json>> told;
  const auto answered = [&](Result<Json> result) { told.push_back(std::move(result)); };
  const auto take_back =
      ask("elicitation/create", {{"message", "Why?"}, {"requestedSchema", kForm}}, answered);
  CHECK(asked.client.shown.front().second.message ==
        "The MCP server 'github', called by Python code in session 'main', asks: Why?");
  asked.client.answer({Answer::Action::Decline});
  REQUIRE(told.size() == 1);
  CHECK(told[0].value()["action"] == "decline");
  const auto other = ask("roots/list", Json::object(), answered);
  other();
  CHECK(asked.client.shown.empty());
  CHECK(told.size() == 1);
  for (const auto& [method, params] :
       {std::pair<std::string, Json>{"elicitation/create",
                                     {{"message", "x"}, {"requestedSchema", {}}}},
        {"elicitation/create", {{"mode", "url"}, {"message", "x"}, {"url", "file:///etc"}}},
        {"sampling/createMessage", Json::object()},
        {"tools/call", Json::object()}}) {
    told.clear();
    CHECK_FALSE(ask(method, params, answered));
    REQUIRE(told.size() == 1);
    CHECK_THAT(told[0].error().message, Contains("Nobody was asked"));
  }
}

TEST_CASE("Upstream questions: servers are told what the client can be asked") {
  CHECK(capabilities_for({}) == Json::object());
  CHECK(capabilities_for({.forms = true, .urls = true, .sampling = true, .roots = true}) ==
        Json::parse(R"({"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{}})"));
}

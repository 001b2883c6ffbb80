#include "host/services/python_services.h"

#include <functional>
#include <optional>
#include <vector>

#include "fake_runtime.h"
#include "loop_fixture.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;
using namespace std::chrono_literals;
using mcp::Json;

namespace {

// Sessions of the FakeRuntime, whose cells are translated before they get them: what mcp_services
// would do is told by each test as a script for the fake.
class TranslatingRuntime final : public embed::Runtime {
 public:
  using Translate = std::function<std::string(const std::string& code)>;

  explicit TranslatingRuntime(Translate translate) : translate_(std::move(translate)) {}

  std::unique_ptr<embed::Session> open_session(embed::SessionOptions options,
                                               embed::SessionListener& listener) override {
    return std::make_unique<Translated>(fake.open_session(std::move(options), listener),
                                        translate_);
  }
  embed::RuntimeHealth health() const override { return fake.health(); }
  void end_children(std::chrono::milliseconds) override {}

  FakeRuntime fake;

 private:
  class Translated final : public embed::Session {
   public:
    Translated(std::unique_ptr<embed::Session> session, const Translate& translate)
        : session_(std::move(session)), translate_(translate) {}
    void submit(embed::CellRequest request) override {
      request.code = translate_(request.code);
      session_->submit(std::move(request));
    }
    bool withdraw(embed::CellNumber number) override { return session_->withdraw(number); }
    std::vector<embed::CellRequest> take_back() override { return session_->take_back(); }
    void interrupt(embed::CellNumber number) override { session_->interrupt(number); }
    void output_drained(embed::CellNumber number) override { session_->output_drained(number); }
    void inspect(std::uint64_t ticket) override { session_->inspect(ticket); }
    void reset(std::uint64_t ticket) override { session_->reset(ticket); }
    std::optional<embed::RunningCell> running() const override { return session_->running(); }
    std::int64_t memory_bytes() const override { return session_->memory_bytes(); }
    pid_t thread_id() const override { return session_->thread_id(); }
    int stdout_fd() const override { return session_->stdout_fd(); }
    int stderr_fd() const override { return session_->stderr_fd(); }
    void reading_output(bool reading) override { session_->reading_output(reading); }

   private:
    std::unique_ptr<embed::Session> session_;
    const Translate& translate_;
  };

  Translate translate_;
};

struct Services : LoopFixture {
  std::vector<std::string> calls;  // the code of each, without the cell that prepares a session
  TranslatingRuntime runtime;
  int runtime_asked = 0;
  std::optional<PythonServices> services;

  explicit Services(std::function<std::string(const std::string&)> script)
      : runtime([this, script](const std::string& code) -> std::string {
          if (code.starts_with("import sys")) return "";
          calls.push_back(code);
          return script(code);
        }) {
    services.emplace(
        [this]() -> embed::Runtime& {
          ++runtime_asked;
          return runtime;
        },
        loop, poster);
  }
  void ask(std::optional<Result<Json>>& answer, Json arguments = Json::object()) {
    services->call("reverse", std::move(arguments), [&answer](Result<Json> result) {
      REQUIRE_FALSE(answer);
      answer = std::move(result);
    });
  }
  Result<Json> get(Json arguments = Json::object()) {
    std::optional<Result<Json>> answer;
    ask(answer, std::move(arguments));
    REQUIRE_FALSE(answer);  // never at once
    REQUIRE(until([&] { return answer.has_value(); }));
    return std::move(*answer);
  }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("PythonServices: a call is a cell, and its line of JSON the answer") {
  Services services([](const std::string&) { return R"(print {"value": {"a": [1, "ü"]}})"; });
  CHECK(services.runtime_asked == 0);
  const Result<Json> answer = services.get({{"text", "say \"hi\" \\ \n\t ü"}});
  REQUIRE(answer);
  CHECK(answer.value() == Json{{"a", {1, "ü"}}});
  REQUIRE(services.calls.size() == 1);
  CHECK(services.calls[0].find('\n') == std::string::npos);
  CHECK(services.calls[0] ==
        "mcp_services.serve(\"reverse\", "
        "\"{\\\"text\\\":\\\"say \\\\\\\"hi\\\\\\\" \\\\\\\\ \\\\n\\\\t ü\\\"}\")");
}

TEST_CASE("PythonServices: an exception is an error with its kind and words") {
  Services services([](const std::string&) {
    return R"(print {"error": {"type": "FileNotFoundError", "message": "FileNotFoundError: /x"}})";
  });
  const Result<Json> answer = services.get();
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == ErrorCode::NotFound);
  CHECK(answer.error().message == "FileNotFoundError: /x");
}

TEST_CASE("PythonServices: calls are answered in order by one session") {
  int number = 0;
  Services services([&number](const std::string&) {
    return "print {\"value\": " + std::to_string(++number) + "}";
  });
  std::vector<std::optional<Result<Json>>> answers(40);
  for (auto& answer : answers) services.ask(answer);
  REQUIRE(services.until([&] { return answers.back().has_value(); }));
  for (int i = 0; i < 40; ++i) CHECK(answers[i]->value() == Json(i + 1));
  CHECK(services.runtime.fake.sessions_opened == 1);
}

TEST_CASE("PythonServices: an answer far larger than a pipe arrives whole") {
  Services services([](const std::string&) {
    return "print {\"value\": \"" + std::string(3'000'000, 'x') + "\"}";
  });
  const Result<Json> answer = services.get();
  REQUIRE(answer);
  CHECK(answer.value().get<std::string>().size() == 3'000'000);
}

TEST_CASE("PythonServices: a lost interpreter costs one call and is replaced") {
  int number = 0;
  Services services([&number](const std::string&) {
    return ++number == 2 ? "lose it crashed" : "print {\"value\": true}";
  });
  std::vector<std::optional<Result<Json>>> answers(4);
  for (auto& answer : answers) services.ask(answer);
  REQUIRE(services.until([&] { return answers.back().has_value(); }));
  CHECK(*answers[0]);
  REQUIRE_FALSE(*answers[1]);
  CHECK(contains(answers[1]->error().message, "it crashed"));
  CHECK(*answers[2]);
  CHECK(*answers[3]);
  CHECK(services.runtime.fake.sessions_opened == 2);
}

TEST_CASE("PythonServices: garbage, nothing, and exceptions of its own are errors, not values") {
  std::string script;
  Services services([&script](const std::string&) { return script; });
  for (const char* each : {"print {\"value\": ", "print garbage", "result 5", "raise NameError",
                           "print {\"other\": 1}"}) {
    INFO(each);
    script = each;
    const Result<Json> answer = services.get();
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::Unavailable);
    CHECK(contains(answer.error().message, "'reverse'"));
  }
  script = "print {\"value\": 1}";
  CHECK(services.get());
}

TEST_CASE("PythonServices: an interpreter that is not used is given back, and made again") {
  Services services([](const std::string&) { return R"(print {"value": 1})"; });
  services.services.emplace([&]() -> embed::Runtime& { return services.runtime; }, services.loop,
                            services.poster, 30ms);
  CHECK(services.get());
  CHECK(services.runtime.fake.sessions_opened == 1);
  services.turn_for(100ms);
  CHECK(services.get());
  CHECK(services.runtime.fake.sessions_opened == 2);
}

TEST_CASE("PythonServices: too many waiting calls are refused, the others answered") {
  Services services([](const std::string&) { return R"(print {"value": 1})"; });
  std::vector<std::optional<Result<Json>>> answers(300);
  for (auto& answer : answers) services.ask(answer);
  REQUIRE(services.until([&] {
    return std::all_of(answers.begin(), answers.end(), [](auto& each) { return each.has_value(); });
  }));
  const auto refused = std::count_if(answers.begin(), answers.end(), [](auto& each) {
    return !*each && each->error().code == ErrorCode::LimitReached;
  });
  CHECK(refused > 0);
  CHECK(std::count_if(answers.begin(), answers.end(), [](auto& each) { return each->ok(); }) ==
        300 - refused);
}

TEST_CASE("PythonServices: may be destroyed while a call runs, and from within an answer") {
  Services services([](const std::string&) { return "sleep 100\nprint {\"value\": 1}"; });
  std::optional<Result<Json>> answer;
  services.ask(answer);
  services.turn_for(20ms);
  services.services.reset();
  services.turn_for(150ms);
  CHECK_FALSE(answer);

  services.services.emplace([&]() -> embed::Runtime& { return services.runtime; }, services.loop,
                            services.poster);
  bool answered = false;
  services.services->call("reverse", Json::object(), [&](Result<Json>) {
    answered = true;
    services.services.reset();
  });
  CHECK(services.until([&] { return answered; }));
  services.turn_for(20ms);
}

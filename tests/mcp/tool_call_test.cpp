#include "mcp/tool.h"
#include "support/catch.h"

#include <cmath>
#include <memory>
#include <string>
#include <vector>

using namespace pyember::mcp;
using Strings = std::vector<std::string>;

namespace {

struct Sink : ToolCallSink {
  void call_progress(double progress, std::optional<double>, std::string_view) override {
    said.push_back("progress " + std::to_string(static_cast<int>(progress)));
  }
  void call_log(LogLevel level, std::string_view, const Json&) override {
    said.push_back("log " + std::string(to_string(level)));
  }
  void call_completed(ToolResult) override { said.push_back("completed"); }
  void call_failed(RpcError error) override {
    said.push_back("failed " + std::to_string(static_cast<int>(error.code)));
  }
  Strings said;
};

std::shared_ptr<ToolCall> make_call(Sink& sink,
                                    ToolCall::Options options = {true, LogLevel::Info}) {
  return std::make_shared<ToolCall>(Json::object(), options, sink);
}

}  // namespace

TEST_CASE("ToolCall: the first answer counts") {
  Sink sink;
  const auto call = make_call(sink);
  call->complete({});
  call->complete({});
  call->fail({});
  CHECK(call->answered());
  CHECK(sink.said == Strings{"completed"});
}

TEST_CASE("ToolCall: nobody's call is left without an answer") {
  Sink sink;
  make_call(sink).reset();
  CHECK(sink.said == Strings{"failed -32603"});
}

TEST_CASE("ToolCall: progress that does not rise is left out, also after the answer") {
  Sink sink;
  const auto call = make_call(sink);
  for (const double value : {1.0, 1.0, 0.0, std::nan(""), 3.0}) call->progress(value, {}, "");
  call->complete({});
  call->progress(4, {}, "");
  CHECK(sink.said == Strings{"progress 1", "progress 3", "completed"});
}

TEST_CASE("ToolCall: without a token there is no progress") {
  Sink sink;
  const auto call = make_call(sink, {false, {}});
  CHECK_FALSE(call->wants_progress());
  call->progress(1, {}, "");
  CHECK(sink.said.empty());
  call->complete({});
}

TEST_CASE("ToolCall: only log messages at or above the wanted level are sent") {
  Sink sink;
  const auto call = make_call(sink, {false, LogLevel::Warning});
  CHECK_FALSE(call->wants_log(LogLevel::Info));
  call->log(LogLevel::Info, "l", "x");
  call->log(LogLevel::Warning, "l", "x");
  call->log(LogLevel::Emergency, "l", "x");
  call->complete({});
  call->log(LogLevel::Emergency, "l", "x");
  CHECK(sink.said == Strings{"log warning", "log emergency", "completed"});
}

TEST_CASE("ToolCall: a cancelled call is told once and says nothing more") {
  Sink sink;
  int told = 0;
  {
    const auto call = make_call(sink);
    call->on_cancel([&told] { ++told; });
    call->cancel();
    call->cancel();
    CHECK(call->cancelled());
    call->progress(1, {}, "");
    call->log(LogLevel::Emergency, "l", "x");
    call->complete({});
    call->fail({});
  }
  CHECK(told == 1);
  CHECK(sink.said.empty());
}

TEST_CASE("ToolCall: a callback set after the cancellation is called at once") {
  Sink sink;
  const auto call = make_call(sink);
  call->cancel();
  bool told = false;
  call->on_cancel([&told] { told = true; });
  CHECK(told);
}

TEST_CASE("ToolCall: the callback may hold the last reference to its call") {
  Sink sink;
  std::weak_ptr<ToolCall> watched;
  {
    auto call = make_call(sink);
    watched = call;
    ToolCall* const raw = call.get();
    raw->on_cancel([held = std::move(call)] {});
    raw->cancel();
  }
  CHECK(watched.expired());
  {
    auto call = make_call(sink);
    watched = call;
    ToolCall* const raw = call.get();
    raw->on_cancel([held = std::move(call)] {});
    raw->complete({});
  }
  CHECK(watched.expired());
  CHECK(sink.said == Strings{"completed"});
}

TEST_CASE("ToolCatalog: keeps the order of its tools and finds them by name") {
  ToolCatalog catalog;
  const auto handler = [](const std::shared_ptr<ToolCall>&) {};
  for (const char* name : {"zeta", "alpha", "mu"}) {
    catalog.add({name, "", "A tool.", {{"type", "object"}}, {}, {}, handler});
  }
  CHECK(catalog.entries()[0].tool.name == "zeta");
  CHECK(catalog.entries()[2].tool.name == "mu");
  REQUIRE(catalog.find("alpha") != nullptr);
  CHECK(catalog.find("alpha")->tool.name == "alpha");
  CHECK(catalog.find("beta") == nullptr);
}

// --- counting ------------------------------------------------------------------------------------

namespace {

// Notes what it is told; its clock says how often it was asked.
struct Meter : CallMeter {
  std::uint64_t began() override { return ++begun; }
  void ended(Outcome outcome, std::uint64_t since) override {
    said.push_back("ended " + std::to_string(static_cast<int>(outcome)) + " since " +
                   std::to_string(since));
  }
  void refused() override { said.emplace_back("refused"); }
  void asked(InputRequest::Kind kind) override {
    said.push_back("asked " + std::to_string(static_cast<int>(kind)));
  }
  void question_over(InputRequest::Kind, QuestionEnd end) override {
    said.push_back("over " + std::to_string(static_cast<int>(end)));
  }
  std::uint64_t begun = 0;
  Strings said;
};

std::shared_ptr<ToolCall> counted_call(Sink& sink, Meter& meter) {
  ToolCall::Options options;
  options.client.forms = true;
  options.client.roots = true;
  return std::make_shared<ToolCall>(Json::object(), options, sink, &meter);
}

}  // namespace

TEST_CASE("ToolCall: its meter is told its end, once") {
  Sink sink;
  Meter meter;
  const auto ok = counted_call(sink, meter);
  const auto error = counted_call(sink, meter);
  const auto failed = counted_call(sink, meter);
  const auto cancelled = counted_call(sink, meter);
  auto given_up = counted_call(sink, meter);
  ok->complete({});
  ok->fail({});
  ok->cancel();
  error->complete(tool_error("no"));
  failed->fail({});
  cancelled->cancel();
  cancelled->complete({});
  given_up.reset();
  CHECK(meter.said == Strings{"ended 0 since 1", "ended 1 since 2", "ended 2 since 3",
                              "ended 3 since 4", "ended 2 since 5"});
}

TEST_CASE("ToolCall: its meter is told of each question, and how it ended") {
  Sink sink;
  Meter meter;
  const auto call = counted_call(sink, meter);
  const auto ask = [&](InputRequest::Kind kind) {
    InputRequest request;
    request.kind = kind;
    return call->ask(std::move(request), [](const auto&) {});
  };
  const std::uint64_t first = ask(InputRequest::Kind::Form);
  const std::uint64_t second = ask(InputRequest::Kind::Roots);
  CHECK(ask(InputRequest::Kind::Sampling) == 0);  // nobody was asked
  call->answer_question(first, Answer());
  call->withdraw(second);
  call->withdraw(second);
  ask(InputRequest::Kind::Form);
  call->refuse_questions({pyember::ErrorCode::Unavailable, "nobody"});
  ask(InputRequest::Kind::Form);
  call->complete({});
  CHECK(meter.said == Strings{"asked 0", "asked 3", "over 0", "over 2", "asked 0", "over 1",
                              "asked 0", "ended 0 since 1", "over 2"});
}

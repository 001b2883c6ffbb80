#include "base/check.h"
#include "base/limits.h"
#include "mcp/tool.h"

#include <fmt/format.h>

#include <iterator>
#include <limits>
#include <utility>

// Every way out (answer, cancellation, destruction) first forgets the sink and the callback and
// only then calls them: either may hold the last reference to this call, and dropping it in the
// middle must find nothing left to do. Questions that are open then are dropped: who is asked is
// told first, whoever asked last.
namespace pyember::mcp {
namespace {

Error nobody_to_ask(InputRequest::Kind kind) {
  const char* why = nullptr;
  switch (kind) {
    case InputRequest::Kind::Form:
      why = "shows no questions (it does not declare the capability elicitation with forms)";
      break;
    case InputRequest::Kind::Url:
      why = "opens no addresses (it does not declare the capability elicitation with url)";
      break;
    case InputRequest::Kind::Sampling:
      why = "asks no model for us (it does not declare the capability sampling)";
      break;
    case InputRequest::Kind::Roots:
      why = "does not tell the folders it works in (it does not declare the capability roots)";
      break;
  }
  return {ErrorCode::Unavailable,
          fmt::format("Nobody was asked, because this client {}. Use a client that does, or do "
                      "without the answer.",
                      why)};
}

Error call_is_over() {
  return {ErrorCode::Unavailable,
          "Nobody can answer any more, because the call that asks is over. Ask in another call."};
}

Error too_many_questions() {
  return {ErrorCode::LimitReached,
          fmt::format("Nobody was asked, because {} questions of this call wait for their answers "
                      "already. Ask again when some of them are answered.",
                      limits::kMaximumQuestions)};
}

}  // namespace

ToolCall::ToolCall(Json arguments, Options options, ToolCallSink& sink, CallMeter* meter)
    : arguments_(std::move(arguments)),
      options_(std::move(options)),
      sink_(&sink),
      meter_(meter),
      began_(meter != nullptr ? meter->began() : 0),
      last_progress_(-std::numeric_limits<double>::infinity()) {}

ToolCall::~ToolCall() {
  if (state_ != State::Open) return;
  fail({RpcCode::InternalError,
        "Internal error: the tool gave the call up without an answer. This is a fault of the "
        "server; the call may have had effects. Look at the state before calling again.",
        {}});
}

void ToolCall::begin() {
  if (options_.begun != nullptr && state_ == State::Open) options_.begun->store(1);
}

void ToolCall::progress(double progress, std::optional<double> total, std::string_view message) {
  const bool increases = progress > last_progress_;  // false for NaN, too
  if (state_ != State::Open || !options_.wants_progress || !increases) return;
  last_progress_ = progress;
  sink_->call_progress(progress, total, message);
}

bool ToolCall::wants_log(LogLevel level) const {
  return state_ == State::Open && options_.log_level && level >= *options_.log_level;
}

void ToolCall::log(LogLevel level, std::string_view logger, const Json& data) {
  if (wants_log(level)) sink_->call_log(level, logger, data);
}

void ToolCall::on_cancel(std::function<void()> callback) {
  if (state_ == State::Open) {
    cancel_callback_ = std::move(callback);
  } else if (state_ == State::Cancelled && callback) {
    callback();
  }
}

void ToolCall::on_task(std::function<void()> callback) {
  if (state_ != State::Open) return;
  if (is_task()) return callback();
  task_callback_ = std::move(callback);
}

ToolCallSink& ToolCall::leave(State state, Asked& dropped) {
  state_ = state;
  if (state == State::Cancelled) count_end(CallMeter::Outcome::Cancelled);
  dropped.swap(questions_);
  ToolCallSink& sink = *std::exchange(sink_, nullptr);
  for (const auto& [number, each] : dropped) {
    count_over(each, CallMeter::QuestionEnd::Withdrawn);
    if (each.sent) sink.call_withdraws(number);
  }
  return sink;
}

void ToolCall::count_end(CallMeter::Outcome outcome) {
  if (meter_ != nullptr) meter_->ended(outcome, began_);
}

void ToolCall::count_over(const Asking& asking, CallMeter::QuestionEnd end) {
  if (meter_ != nullptr) meter_->question_over(asking.question.kind, end);
}

void ToolCall::complete(ToolResult result) {
  if (state_ != State::Open) return;
  count_end(result.is_error ? CallMeter::Outcome::Error : CallMeter::Outcome::Ok);
  const auto forgotten = std::exchange(cancel_callback_, nullptr);
  Asked dropped;
  leave(State::Answered, dropped).call_completed(std::move(result));
  for (const auto& [number, each] : dropped) each.answered(call_is_over());
}

void ToolCall::fail(RpcError error) {
  if (state_ != State::Open) return;
  count_end(CallMeter::Outcome::Failed);
  const auto forgotten = std::exchange(cancel_callback_, nullptr);
  Asked dropped;
  leave(State::Answered, dropped).call_failed(std::move(error));
  for (const auto& [number, each] : dropped) each.answered(call_is_over());
}

void ToolCall::cancel() {
  if (state_ != State::Open) return;
  const auto callback = std::exchange(cancel_callback_, nullptr);
  Asked dropped;
  leave(State::Cancelled, dropped);
  if (callback) callback();
  for (const auto& [number, each] : dropped) each.answered(call_is_over());
}

void ToolCall::abandon() {
  cancel_callback_ = nullptr;
  cancel();
}

bool ToolCall::end_as_cancelled(std::string_view why) {
  if (state_ != State::Open || !is_task()) return false;
  const auto forgotten = std::exchange(cancel_callback_, nullptr);
  Asked dropped;
  leave(State::Cancelled, dropped).call_cancelled(why);
  for (const auto& [number, each] : dropped) each.answered(call_is_over());
  return true;
}

// --- questions -------------------------------------------------------------------------------

std::uint64_t ToolCall::ask(InputRequest question, WhenAnswered answered) {
  const bool declared = can_be_asked(options_.client, question.kind);
  if (state_ != State::Open || !declared || questions_.size() >= limits::kMaximumQuestions) {
    answered(state_ != State::Open ? call_is_over()
             : !declared           ? nobody_to_ask(question.kind)
                                   : too_many_questions());
    return 0;
  }
  begin();
  if (meter_ != nullptr) meter_->asked(question.kind);
  const std::uint64_t number = ++last_question_;
  questions_.emplace(number, Asking{std::move(question), std::move(answered)});
  sink_->call_asks();
  return number;
}

void ToolCall::withdraw(std::uint64_t question) {
  const auto found = questions_.find(question);
  if (found == questions_.end()) return;
  const bool sent = found->second.sent;
  const auto forgotten = questions_.extract(found);
  count_over(forgotten.mapped(), CallMeter::QuestionEnd::Withdrawn);
  if (sent) sink_->call_withdraws(question);
}

void ToolCall::move_to(ToolCallSink& sink, Options options) {
  CHECK(state_ == State::Open);
  sink_ = &sink;
  options_ = std::move(options);
  begin();  // whoever asks has begun
  if (is_task() && task_callback_) std::exchange(task_callback_, nullptr)();
}

std::optional<ToolCall::OpenQuestion> ToolCall::take_question() {
  for (auto& [number, each] : questions_) {
    if (std::exchange(each.sent, true)) continue;
    return OpenQuestion{number, &each.question};
  }
  return std::nullopt;
}

std::vector<ToolCall::OpenQuestion> ToolCall::sent_questions() const {
  std::vector<OpenQuestion> sent;
  for (const auto& [number, each] : questions_) {
    if (each.sent) sent.push_back({number, &each.question});
  }
  return sent;
}

void ToolCall::refuse_questions(const Error& why) {
  Asked refused;
  refused.swap(questions_);
  refuse(std::move(refused), why);
}

void ToolCall::refuse_undeclared(const Error& why) {
  Asked refused;
  for (auto each = questions_.begin(); each != questions_.end();) {
    const auto next = std::next(each);
    if (!can_be_asked(options_.client, each->second.question.kind)) {
      refused.insert(questions_.extract(each));
    }
    each = next;
  }
  refuse(std::move(refused), why);
}

void ToolCall::refuse(Asked refused, const Error& why) {
  for (const auto& [number, each] : refused) {
    count_over(each, CallMeter::QuestionEnd::Refused);
    if (each.sent) sink_->call_withdraws(number);
  }
  for (const auto& [number, each] : refused) each.answered(why);
}

void ToolCall::answer_question(std::uint64_t number, Result<Answer> answer) {
  const auto found = questions_.find(number);
  if (found == questions_.end()) return;
  const auto asked = questions_.extract(found);
  count_over(asked.mapped(),
             answer ? CallMeter::QuestionEnd::Answered : CallMeter::QuestionEnd::Refused);
  asked.mapped().answered(std::move(answer));
}

}  // namespace pyember::mcp

#include "host/questions/question_service.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "base/limits.h"
#include "host/questions/input_requests.h"
#include "host/upstream/run_permit.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::Answer;
using mcp::InputRequest;
using mcp::Json;

namespace {

CallError wrong(const std::string& why, const char* what_next) {
  return {"arguments", fmt::format("Nobody was asked, because {}. {}", why, what_next)};
}

Error mistake(std::string why) { return {ErrorCode::InvalidArgument, std::move(why)}; }

Result<std::chrono::milliseconds> time_for(const Json& fields) {
  const auto given = fields.find("timeout");
  if (given == fields.end() || given->is_null()) return limits::kQuestionDeadline;
  const double seconds = given->is_number() ? given->get<double>() : -1;
  const double most = std::chrono::duration<double>(limits::kLongestQuestion).count();
  if (seconds > 0 && seconds <= most) {
    return std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(seconds * 1000)));
  }
  return mistake(
      fmt::format("the timeout must be a number of seconds, more than 0 and at most {:g}", most));
}

// Who asks stands in front: what code writes must not pass for the server's own question.
std::string told(const RunPermit& permit, const Json& fields) {
  const std::string message = mcp::text_in(fields, "message");
  const bool input = fields.value("input", Json(false)) == Json(true);
  if (message.empty() && input) {
    return fmt::format("Python code in session '{}' waits for a line of input.", permit.session);
  }
  return fmt::format("Python code in session '{}' asks: {}", permit.session, message);
}

Result<InputRequest> request_of(const RunPermit& permit, const CallOrder& order) {
  if (order.op == "roots") return InputRequest::roots();
  if (order.op == "ask") return person_asked(told(permit, order.fields), order.fields);
  const auto request = order.fields.find("request");
  return model_asked(request != order.fields.end() ? *request : Json());
}

}  // namespace

bool QuestionService::serves(std::string_view op) {
  return op == "ask" || op == "sample" || op == "roots";
}

std::uint64_t QuestionService::serve(const std::shared_ptr<RunPermit>& permit, CallOrder order,
                                     Done done) {
  const Result<std::chrono::milliseconds> time = time_for(order.fields);
  Result<InputRequest> request = request_of(*permit, order);
  if (!time || !request) {
    done({{},
          !time ? wrong(time.error().message, "Give another, or leave it out.")
                : wrong(request.error().message,
                        "Ask for texts, numbers, yes or no, or choices, and shortly.")});
    return 0;
  }
  const InputRequest::Kind kind = request.value().kind;
  return ask(permit, request.take(), time.value(),
             [done = std::move(done), kind](Result<Answer> answer, End end) {
               if (answer) return done({mcp::to_json_text(as_result(answer.take(), kind)), {}});
               const char* word = end == End::Late ? "timeout" : "no_client";
               done({{}, CallError{word, answer.error().message}});
             });
}

std::uint64_t QuestionService::ask(const std::shared_ptr<RunPermit>& permit, InputRequest request,
                                   std::chrono::milliseconds time, Asked done) {
  const auto client = permit->client.lock();
  if (!client) {
    done(Error{ErrorCode::Unavailable,
               "Nobody was asked, because no client waits for this cell: it runs in the "
               "background. Ask in a cell that run_python runs in the foreground."},
         End::Settled);
    return 0;
  }
  const std::uint64_t id = ++last_;
  auto opened = std::make_unique<Open>();
  opened->done = std::move(done);
  opened->client = client;
  opened->hold = CellClock::Hold(permit->clock);
  opened->deadline = std::make_unique<Timer>(loop_, [this, id, time] { unanswered(id, time); });
  opened->deadline->start(time);
  open_.emplace(id, std::move(opened));
  const std::uint64_t number =
      client->ask(std::move(request),
                  [this, id, alive = std::weak_ptr<const bool>(alive_)](Result<Answer> answer) {
                    if (!alive.expired()) answered(id, std::move(answer));
                  });
  const auto found = open_.find(id);
  if (found == open_.end()) return 0;
  found->second->question = number;
  return id;
}

std::unique_ptr<QuestionService::Open> QuestionService::take(std::uint64_t id) {
  const auto found = open_.find(id);
  if (found == open_.end()) return nullptr;
  std::unique_ptr<Open> open = std::move(found->second);
  open_.erase(found);
  return open;
}

void QuestionService::cancel(std::uint64_t id) {
  const std::unique_ptr<Open> open = take(id);
  if (!open) return;
  if (const auto client = open->client.lock()) client->withdraw(open->question);
}

// The question's timer calls this, and is not to be gone before it returns.
void QuestionService::unanswered(std::uint64_t id, std::chrono::milliseconds waited) {
  const std::unique_ptr<Open> open = take(id);
  if (!open) return;
  if (const auto client = open->client.lock()) client->withdraw(open->question);
  open->hold = {};
  open->done(Error{ErrorCode::Unavailable,
                   fmt::format("The question got no answer within {:g} s, and was taken back. Go "
                               "on without it, or ask again with a longer timeout.",
                               std::chrono::duration<double>(waited).count())},
             End::Late);
}

void QuestionService::answered(std::uint64_t id, Result<Answer> answer) {
  const std::unique_ptr<Open> open = take(id);
  if (!open) return;
  open->hold = {};
  open->done(std::move(answer), End::Settled);
}

}  // namespace pyember::host

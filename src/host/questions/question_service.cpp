#include "host/questions/question_service.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "host/upstream/run_permit.h"
#include "mcp/form.h"

namespace pyember::host {

using mcp::Answer;
using mcp::Json;

namespace {

std::string text_of(const Json& fields, const char* member) {
  const auto found = fields.find(member);
  return found != fields.end() && found->is_string() ? found->get<std::string>() : std::string();
}

CallError wrong(const std::string& why, const char* what_next) {
  return {"arguments", fmt::format("Nobody was asked, because {}. {}", why, what_next)};
}

CallError nobody(const std::string& message) { return {"no_client", message}; }

Result<std::chrono::milliseconds> time_for(const Json& fields) {
  const auto given = fields.find("timeout");
  if (given == fields.end() || given->is_null()) return limits::kQuestionDeadline;
  const double seconds = given->is_number() ? given->get<double>() : -1;
  const double most = std::chrono::duration<double>(limits::kLongestCallTimeout).count();
  if (seconds > 0 && seconds <= most) {
    return std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(seconds * 1000)));
  }
  return Error{
      ErrorCode::InvalidArgument,
      fmt::format("the timeout must be a number of seconds, more than 0 and at most {:g}", most)};
}

// Who asks stands in front: what code writes must not pass for the server's own question.
std::string told(const RunPermit& permit, const Json& fields) {
  const std::string message = text_of(fields, "message");
  const bool input = fields.value("input", Json(false)) == Json(true);
  if (message.empty() && input) {
    return fmt::format("Python code in session '{}' waits for a line of input.", permit.session);
  }
  return fmt::format("Python code in session '{}' asks: {}", permit.session, message);
}

Result<mcp::Question> question_of(const RunPermit& permit, const Json& fields) {
  const std::string message = text_of(fields, "message");
  if (message.size() > limits::kQuestionTextBytes) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("the question has {} bytes, and {} are the most that are shown",
                             message.size(), limits::kQuestionTextBytes)};
  }
  const auto schema = fields.find("schema");
  Result<Json> form = mcp::read_form(schema != fields.end() ? *schema : Json());
  if (!form) return form.error();
  return mcp::Question{told(permit, fields), form.take()};
}

// The answer as code gets it.
std::string answer_text(const Answer& answer) {
  constexpr std::array kWords = {"accept", "decline", "cancel"};
  return mcp::to_json_text(Json{{"action", kWords.at(static_cast<std::size_t>(answer.action))},
                                {"content", answer.content}});
}

}  // namespace

bool QuestionService::serves(std::string_view op) {
  return op == "ask" || op == "sample" || op == "roots";
}

std::uint64_t QuestionService::serve(const std::shared_ptr<RunPermit>& permit, CallOrder order,
                                     Done done) {
  const auto refuse = [&done](CallError error) -> std::uint64_t {
    done({{}, std::move(error)});
    return 0;
  };
  const auto client = permit->client.lock();
  if (!client) {
    return refuse(
        nobody("Nobody was asked, because no client waits for this cell: it runs in the "
               "background. Ask in a cell that run_python runs in the foreground."));
  }
  const Result<std::chrono::milliseconds> time = time_for(order.fields);
  if (!time) return refuse(wrong(time.error().message, "Give another, or leave it out."));
  Result<mcp::Question> question = question_of(*permit, order.fields);
  if (!question) {
    return refuse(wrong(question.error().message,
                        "Ask for texts, numbers, yes or no, or choices, and shortly."));
  }
  if (!client->can_ask()) {
    return refuse(
        nobody("Nobody was asked, because this client shows no questions (it does not declare the "
               "capability elicitation with forms). Use a client that does, or do without the "
               "answer."));
  }
  const std::uint64_t id = ++last_;
  auto opened = std::make_unique<Open>();
  opened->done = std::move(done);
  opened->client = client;
  opened->hold = CellClock::Hold(permit->clock);
  opened->deadline =
      std::make_unique<Timer>(loop_, [this, id, time = time.value()] { unanswered(id, time); });
  opened->deadline->start(time.value());
  open_.emplace(id, std::move(opened));
  const std::uint64_t number =
      client->ask(question.take(),
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
  open->done({{},
              CallError{"timeout",
                        fmt::format("The question got no answer within {:g} s, and was taken back. "
                                    "Go on without it, or ask again with a longer timeout.",
                                    std::chrono::duration<double>(waited).count())}});
}

void QuestionService::answered(std::uint64_t id, Result<Answer> answer) {
  const std::unique_ptr<Open> open = take(id);
  if (!open) return;
  open->hold = {};
  if (!answer) return open->done({{}, nobody(answer.error().message)});
  open->done({answer_text(answer.value()), {}});
}

}  // namespace pyember::host

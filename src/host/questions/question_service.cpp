#include "host/questions/question_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "host/upstream/run_permit.h"
#include "mcp/form.h"

namespace pyember::host {

using mcp::Answer;
using mcp::InputRequest;
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
  const std::string message = text_of(fields, "message");
  const bool input = fields.value("input", Json(false)) == Json(true);
  if (message.empty() && input) {
    return fmt::format("Python code in session '{}' waits for a line of input.", permit.session);
  }
  return fmt::format("Python code in session '{}' asks: {}", permit.session, message);
}

// An address that a person may be led to.
bool is_address(std::string_view url) {
  const bool web = url.starts_with("https://") || url.starts_with("http://");
  const std::string_view host = web ? url.substr(url.find("//") + 2) : std::string_view();
  const std::string_view authority = host.substr(0, host.find_first_of("/?#"));
  return !authority.empty() && url.size() <= limits::kMaximumUriBytes &&
         authority.find('@') == std::string_view::npos &&
         std::all_of(url.begin(), url.end(), [](char each) { return each > ' ' && each < 0x7f; });
}

Result<InputRequest> person_asked(const RunPermit& permit, const Json& fields) {
  const std::string message = text_of(fields, "message");
  if (message.size() > limits::kQuestionTextBytes) {
    return mistake(fmt::format("the question has {} bytes, and {} are the most that are shown",
                               message.size(), limits::kQuestionTextBytes));
  }
  if (const std::string url = text_of(fields, "url"); !url.empty()) {
    if (!is_address(url)) {
      return mistake(
          "the url is no address that a person can be led to: it begins with https:// or http://, "
          "has a host, and names nobody");
    }
    return InputRequest::address(told(permit, fields), url);
  }
  const auto schema = fields.find("schema");
  Result<Json> form = mcp::read_form(schema != fields.end() ? *schema : Json());
  if (!form) return form.error();
  return InputRequest{told(permit, fields), form.take()};
}

bool is_block(const Json& content) {
  return content.is_object() && content.contains("type") && content["type"].is_string();
}

bool is_message(const Json& message) {
  if (!message.is_object() || !message.contains("content")) return false;
  const std::string role = text_of(message, "role");
  const Json& content = message["content"];
  return (role == "user" || role == "assistant") &&
         (is_block(content) ||
          (content.is_array() && std::all_of(content.begin(), content.end(), is_block)));
}

// What a sampling request may say besides its messages and maxTokens.
bool is_sampling_option(const std::string& name, const Json& value) {
  if (name == "systemPrompt") return value.is_string();
  if (name == "temperature") return value.is_number();
  if (name == "modelPreferences" || name == "metadata") return value.is_object();
  return name == "stopSequences" && value.is_array() &&
         std::all_of(value.begin(), value.end(), [](const Json& each) { return each.is_string(); });
}

Result<InputRequest> model_asked(const Json& fields) {
  const auto request = fields.find("request");
  if (request == fields.end() || !request->is_object()) return mistake("there is no request");
  const auto messages = request->find("messages");
  if (messages == request->end() || !messages->is_array() || messages->empty() ||
      !std::all_of(messages->begin(), messages->end(), is_message)) {
    return mistake("messages must be a list of {role, content}, of the roles user and assistant");
  }
  const auto most = request->find("maxTokens");
  if (most == request->end() || !most->is_number_unsigned() || *most == Json(0u)) {
    return mistake("max_tokens must be a whole number above 0");
  }
  for (const auto& [name, value] : request->items()) {
    if (name == "messages" || name == "maxTokens" || is_sampling_option(name, value)) continue;
    return mistake(fmt::format("a request to a model has no {}, or not with that value", name));
  }
  const std::size_t size = mcp::to_json_text(*request).size();
  if (size > limits::kSamplingBytes) {
    return mistake(
        fmt::format("the request has {} bytes, and {} are the most", size, limits::kSamplingBytes));
  }
  return InputRequest::sampling(*request);
}

Result<InputRequest> request_of(const RunPermit& permit, const CallOrder& order) {
  if (order.op == "sample") return model_asked(order.fields);
  if (order.op == "roots") return InputRequest::roots();
  return person_asked(permit, order.fields);
}

// The answer as code gets it: what a person did, or the client's result.
std::string answer_text(const Answer& answer, InputRequest::Kind kind) {
  const bool of_person = kind == InputRequest::Kind::Form || kind == InputRequest::Kind::Url;
  if (!of_person) return mcp::to_json_text(answer.content);
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
  Result<InputRequest> request = request_of(*permit, order);
  if (!request) {
    return refuse(wrong(request.error().message,
                        "Ask for texts, numbers, yes or no, or choices, and shortly."));
  }
  const InputRequest::Kind kind = request.value().kind;
  const std::uint64_t id = ++last_;
  auto opened = std::make_unique<Open>();
  opened->done = std::move(done);
  opened->client = client;
  opened->hold = CellClock::Hold(permit->clock);
  opened->deadline =
      std::make_unique<Timer>(loop_, [this, id, time = time.value()] { unanswered(id, time); });
  opened->deadline->start(time.value());
  open_.emplace(id, std::move(opened));
  const std::uint64_t number = client->ask(
      request.take(),
      [this, id, kind, alive = std::weak_ptr<const bool>(alive_)](Result<Answer> answer) {
        if (!alive.expired()) answered(id, kind, std::move(answer));
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

void QuestionService::answered(std::uint64_t id, InputRequest::Kind kind, Result<Answer> answer) {
  const std::unique_ptr<Open> open = take(id);
  if (!open) return;
  open->hold = {};
  if (!answer) return open->done({{}, nobody(answer.error().message)});
  open->done({answer_text(answer.value(), kind), {}});
}

}  // namespace pyember::host

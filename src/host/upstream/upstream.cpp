#include "host/upstream/upstream.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/limits.h"
#include "host/upstream/upstream_failures.h"

// A connection is never destroyed out of its own callback: when it has failed it is ended, which is
// reported in a later turn, and dropped then. What is asked meanwhile waits, because two processes
// of one server at a time may be in each other's way (files, ports).
namespace pyember::host {

namespace {

constexpr std::uint64_t kNanoseconds = 1'000'000;  // of a millisecond

std::uint64_t in_ns(std::chrono::milliseconds time) {
  return static_cast<std::uint64_t>(time.count()) * kNanoseconds;
}

// What may be asked twice without harm. A call that was lost may have been carried out.
bool may_be_repeated(const Upstream::Ask& ask) {
  return ask.what != Upstream::Ask::What::Request || ask.method != "tools/call";
}

// The first pause, doubled for each failure after the first, up to the longest.
std::chrono::milliseconds pause_after(std::size_t failures) {
  std::chrono::milliseconds pause = limits::kUpstreamFirstPause;
  for (std::size_t i = 1; i < failures && pause < limits::kUpstreamLongestPause; ++i) pause *= 2;
  return std::min(pause, limits::kUpstreamLongestPause);
}

}  // namespace

Upstream::Upstream(EventLoop& loop, const UpstreamDefinition& definition,
                   const UpstreamSettings& settings, Later& later, const ToolsListed& tools_listed)
    : loop_(loop),
      definition_(definition),
      settings_(settings),
      later_(later),
      tools_listed_(tools_listed),
      deadline_(loop, [this] { look_at_deadlines(); }),
      pause_(loop, [this] { connect(); }),
      idle_(loop, [this] { disconnect(); }),
      relist_(loop, [this] { list_tools(); }) {}

void Upstream::ask(std::uint64_t number, Ask ask) {
  if (ask.timeout.count() <= 0) ask.timeout = limits::kUpstreamCallTimeout;
  if (calls_.size() >= limits::kUpstreamRequests) {
    UpstreamFailure failure = too_many(definition_, shown_request(ask.method, ask.params));
    later_.call([done = std::move(ask.done), failure = std::move(failure)] {
      done({nullptr, failure});
    });
    return;
  }
  if (calls_.empty()) idle_.stop();
  last_number_ = number;
  Call& call = calls_.emplace(number, Call{std::move(ask)}).first->second;
  call.deadline_ns = now_ns() + in_ns(call.ask.timeout);
  watch_deadline(call);
  if (state_ == State::Running && connection_->client().ready() &&
      call.ask.what != Ask::What::Start) {
    asking_ = true;
    send(number, call);
    asking_ = false;
  } else {
    later_.call([this] { have_running(); });
  }
}

// They may come in floods.
void Upstream::connection_sees_tools_changed() {
  if (!relist_.active()) relist_.start(limits::kUpstreamRelistDelay);
}

// Has what waits sent, now or when the server runs.
void Upstream::have_running() {
  if (calls_.empty()) return;
  if (state_ == State::Running && connection_->client().ready()) {
    send_waiting();
    return;
  }
  if (state_ != State::Stopped) return;
  const std::uint64_t now = now_ns();
  const std::uint64_t left_ms =
      not_before_ns_ > now ? (not_before_ns_ - now) / kNanoseconds + 1 : 0;
  if (left_ms == 0) {
    connect();
  } else if (failed_starts_ > 0) {
    const std::chrono::milliseconds left(left_ms);
    fail_all([&](const Call&) { return start_failed(definition_, last_failure_, left); });
  } else {
    state_ = State::Pausing;
    pause_.start(std::chrono::milliseconds(left_ms));
  }
}

void Upstream::connect() {
  state_ = State::Starting;
  ++starts_;
  started_ns_ = now_ns();
  connection_ =
      std::make_unique<UpstreamConnection>(loop_, definition_, settings_, handshake_worked_,
                                           static_cast<UpstreamConnection::Owner&>(*this));
  spdlog::info("upstream_starts server=\"{}\" starts={}", definition_.name, starts_);
  connection_->start();
}

void Upstream::connection_is_ready() {
  const bool first = state_ == State::Starting;
  state_ = State::Running;
  if (first) {
    failed_starts_ = 0;
    start_took_ns_ = now_ns() - started_ns_;
    handshake_worked_ = !mcp::is_modern(connection_->client().version());
    spdlog::info("upstream_ready server=\"{}\" ms={} version={}", definition_.name,
                 start_took_ns_ / kNanoseconds, mcp::to_string(connection_->client().version()));
    list_tools();
  }
  send_waiting();
  be_idle_from_now();
}

void Upstream::send_waiting() {
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, call] : calls_) {
    if (!call.sent) numbers.push_back(number);
  }
  for (const std::uint64_t number : numbers) {
    const auto call = calls_.find(number);
    if (call == calls_.end() || call->second.sent) continue;
    if (state_ != State::Running || !connection_->client().ready()) return;
    send(number, call->second);
  }
}

void Upstream::send(std::uint64_t number, Call& call) {
  call.sent = true;
  mcp::Client& client = connection_->client();
  switch (call.ask.what) {
    case Ask::What::Start:
      answer(calls_.find(number), {start_result(), std::nullopt});
      return;
    case Ask::What::List:
      if (call.ask.method == "tools/list") {
        // One that has begun since answers it too.
        if (!listing_tools_ || number > listing_answers_) list_tools();
      } else {
        client.list(call.ask.method, [this, number](mcp::ClientAnswer answer) {
          finish(number, std::move(answer));
        });
      }
      return;
    case Ask::What::Request:
      break;
  }
  // The parameters stay here for their name, should the request fail.
  const std::int64_t sent_as = client.request(
      call.ask.method, call.ask.params,
      [this, number](mcp::ClientAnswer answer) { finish(number, std::move(answer)); },
      call.ask.progress);
  const auto kept = calls_.find(number);
  if (kept != calls_.end() && kept->second.sent) kept->second.sent_as = sent_as;
}

void Upstream::finish(std::uint64_t number, mcp::ClientAnswer result) {
  const auto call = calls_.find(number);
  if (call == calls_.end()) return;
  if (!result.error) {
    crashes_ = 0;
    answer(call, {std::move(result.result), std::nullopt});
    return;
  }
  if (result.error->kind == mcp::ClientError::Kind::Rpc) crashes_ = 0;
  // It ended before it was told that it did: the next one gets the request.
  if (result.error->kind == mcp::ClientError::Kind::NotSent &&
      ++call->second.tries <= limits::kUpstreamFreeCrashes) {
    call->second.sent = false;
    call->second.sent_as = 0;
    return;
  }
  answer(call, {nullptr, refused(definition_,
                                 shown_request(call->second.ask.method, call->second.ask.params),
                                 std::move(*result.error))});
}

void Upstream::answer(Calls::iterator call, UpstreamAnswer answer) {
  drop_questions(call->first);
  const auto done = std::move(call->second.ask.done);
  calls_.erase(call);
  be_idle_from_now();
  if (!done) return;
  if (asking_) {  // not out of the call that asked
    later_.call([done, answer = std::move(answer)] { done(answer); });
  } else {
    done(std::move(answer));
  }
}

void Upstream::fail_all(const std::function<UpstreamFailure(const Call&)>& failure) {
  for (auto& [number, call] : std::exchange(calls_, {})) {
    if (call.ask.done) call.ask.done({nullptr, failure(call)});
  }
}

void Upstream::cancel(std::uint64_t number) {
  const auto call = calls_.find(number);
  if (call == calls_.end()) return;
  drop_questions(number);
  if (call->second.sent_as != 0 && connection_) {
    connection_->client().cancel(call->second.sent_as);
  }
  UpstreamFailure failure =
      cancelled(definition_, shown_request(call->second.ask.method, call->second.ask.params));
  later_.call([done = std::move(call->second.ask.done), failure = std::move(failure)] {
    if (done) done({nullptr, failure});
  });
  calls_.erase(call);
  be_idle_from_now();
}

void Upstream::connection_failed(const std::string& why) {
  spdlog::warn("upstream_failed server=\"{}\" starting={}", definition_.name,
               state_ == State::Starting);
  if (state_ == State::Starting) {
    start_has_failed(why);
  } else {
    was_lost(why);
  }
}

void Upstream::start_has_failed(const std::string& why) {
  last_failure_ = why;
  const std::chrono::milliseconds pause = pause_after(++failed_starts_);
  not_before_ns_ = now_ns() + in_ns(pause);
  handshake_worked_ = false;
  disconnect();
  fail_all([&](const Call&) { return start_failed(definition_, why, pause); });
}

void Upstream::was_lost(const std::string& why) {
  last_failure_ = why;
  if (++crashes_ > limits::kUpstreamFreeCrashes) {
    not_before_ns_ = now_ns() + in_ns(pause_after(crashes_ - limits::kUpstreamFreeCrashes));
  }
  disconnect();
  Calls sent;
  for (auto call = calls_.begin(); call != calls_.end();) {
    const auto next = std::next(call);
    Call& asked = call->second;
    if (asked.sent && may_be_repeated(asked.ask) && ++asked.tries <= limits::kUpstreamFreeCrashes) {
      asked.sent = false;
      asked.sent_as = 0;
    } else if (asked.sent) {
      sent.insert(calls_.extract(call));
    }
    call = next;
  }
  for (auto& [number, call] : sent) {
    if (!call.ask.done) continue;
    call.ask.done(
        {nullptr, lost(definition_, shown_request(call.ask.method, call.ask.params), why)});
  }
}

void Upstream::disconnect() {
  if (!connection_ || state_ == State::Ending) return;
  drop_questions(std::nullopt);
  state_ = State::Ending;
  idle_.stop();
  relist_.stop();
  listing_tools_ = list_again_ = false;
  connection_->end([this] { later_.call([this] { disconnected(); }); });
}

void Upstream::disconnected() {
  connection_.reset();
  state_ = State::Stopped;
  if (const auto ended = std::exchange(ended_, nullptr)) {
    ended();
    return;
  }
  have_running();
}

void Upstream::end(std::function<void()> done) {
  pause_.stop();
  deadline_.stop();
  ended_ = std::move(done);
  fail_all([&](const Call& call) {
    return cancelled(definition_, shown_request(call.ask.method, call.ask.params));
  });
  if (state_ == State::Stopped || state_ == State::Pausing) {
    state_ = State::Stopped;
    later_.call([this] {
      if (const auto ended = std::exchange(ended_, nullptr)) ended();
    });
  } else {
    disconnect();
  }
}

// Only one listing at a time. It answers who has asked before it began; who asks later may want
// what has changed since, and is answered by the next.
void Upstream::list_tools() {
  if (state_ != State::Running || !connection_->client().ready()) return;
  if (listing_tools_) {
    list_again_ = true;
    return;
  }
  list_again_ = false;
  listing_tools_ = true;
  listing_answers_ = last_number_;
  connection_->client().list("tools/list", [this](const mcp::ClientAnswer& answer) {
    listing_tools_ = false;
    take_tools(answer);
  });
}

void Upstream::take_tools(const mcp::ClientAnswer& answer) {
  if (answer.error) {
    spdlog::warn("upstream_tools_failed server=\"{}\"", definition_.name);
  } else if (tools_listed_) {
    tools_listed_(definition_, answer.result["tools"], start_seconds());
  }
  answer_list(answer);
  if (list_again_) list_tools();
}

void Upstream::answer_list(const mcp::ClientAnswer& answer) {
  std::vector<std::uint64_t> waiting;
  for (const auto& [number, call] : calls_) {
    if (number > listing_answers_) break;
    if (call.sent && call.ask.what == Ask::What::List && call.ask.method == "tools/list") {
      waiting.push_back(number);
    }
  }
  for (const std::uint64_t number : waiting) finish(number, answer);
}

mcp::Json Upstream::start_result() const {
  const mcp::Client& client = connection_->client();
  return mcp::Json{{"protocolVersion", mcp::to_string(client.version())},
                   {"serverInfo", client.server_info()},
                   {"instructions", client.instructions()},
                   {"capabilities", client.capabilities()},
                   {"startSeconds", start_seconds()}};
}

mcp::Json Upstream::describe() const {
  static constexpr const char* kStates[] = {"stopped", "stopped", "starting", "running", "ending"};
  mcp::Json about{{"name", definition_.name},
                  {"alias", definition_.alias},
                  {"state", state_ == State::Stopped && failed_starts_ > 0
                                ? "failed"
                                : kStates[static_cast<std::size_t>(state_)]},
                  {"starts", starts_},
                  {"inFlight", calls_.size()}};
  if (!last_failure_.empty()) about["error"] = last_failure_;
  if (state_ == State::Running) {
    about["protocolVersion"] = mcp::to_string(connection_->client().version());
    about["startSeconds"] = start_seconds();
  }
  return about;
}

void Upstream::watch_deadline(const Call& call) {
  if (next_deadline_ns_ != 0 && next_deadline_ns_ <= call.deadline_ns) return;
  next_deadline_ns_ = call.deadline_ns;
  const std::uint64_t now = now_ns();
  const std::uint64_t left = call.deadline_ns > now ? call.deadline_ns - now : 0;
  deadline_.start(std::chrono::milliseconds(left / kNanoseconds + 1));
}

void Upstream::look_at_deadlines() {
  next_deadline_ns_ = 0;
  const std::uint64_t now = now_ns();
  Calls late;
  for (auto call = calls_.begin(); call != calls_.end();) {
    const auto next = std::next(call);
    if (call->second.questions_open != 0) {
      // Its time stands still.
    } else if (call->second.deadline_ns <= now) {
      late.insert(calls_.extract(call));
    } else {
      watch_deadline(call->second);
    }
    call = next;
  }
  for (auto& [number, call] : late) {
    if (call.sent_as != 0 && connection_) connection_->client().cancel(call.sent_as);
  }
  be_idle_from_now();
  for (auto& [number, call] : late) {
    if (!call.ask.done) continue;
    call.ask.done({nullptr, timed_out(definition_, shown_request(call.ask.method, call.ask.params),
                                      call.ask.timeout, call.sent)});
  }
}

// --- questions -----------------------------------------------------------------------------------

// A server of the handshake era does not say which call it asks for; with one alone it is that.
Upstream::Calls::iterator Upstream::asking_call(std::int64_t handle) {
  auto found = calls_.end();
  for (auto call = calls_.begin(); call != calls_.end(); ++call) {
    const bool may_ask = call->second.sent && call->second.ask.what == Ask::What::Request;
    if (!may_ask || (handle != 0 && call->second.sent_as != handle)) continue;
    if (found != calls_.end()) return calls_.end();
    found = call;
  }
  return found;
}

void Upstream::connection_is_asked(mcp::ClientAsked asked) {
  const std::int64_t number = asked.question;
  const auto call = asking_call(asked.handle);
  const UpstreamQuestions ask =
      call != calls_.end() ? call->second.ask.questions : UpstreamQuestions();
  questions_[number].call = call != calls_.end() ? call->first : 0;
  if (!ask) {
    return question_answered(
        number,
        Error{ErrorCode::Unavailable,
              "Nobody was asked, because it can't be told for which call that is wanted, or "
              "none is under way that could ask. Go on without the answer."});
  }
  if (call->second.questions_open++ == 0) call->second.questions_since_ns = now_ns();
  auto take_back =
      ask(asked.method, asked.params,
          [this, number, alive = std::weak_ptr<const bool>(alive_)](Result<mcp::Json> answer) {
            if (!alive.expired()) question_answered(number, std::move(answer));
          });
  if (const auto open = questions_.find(number); open != questions_.end()) {
    open->second.take_back = std::move(take_back);
  }
}

// The time of its call goes on.
std::optional<Upstream::Question> Upstream::take_question(std::int64_t number) {
  const auto found = questions_.find(number);
  if (found == questions_.end()) return std::nullopt;
  Question question = std::move(found->second);
  questions_.erase(found);
  const auto call = calls_.find(question.call);
  if (call != calls_.end() && call->second.questions_open > 0 &&
      --call->second.questions_open == 0) {
    call->second.deadline_ns += now_ns() - call->second.questions_since_ns;
    watch_deadline(call->second);
  }
  return question;
}

void Upstream::question_answered(std::int64_t number, Result<mcp::Json> answer) {
  if (!take_question(number) || !connection_) return;
  mcp::ClientAnswer told;
  if (answer) {
    told.result = answer.take();
  } else {
    told.error = mcp::ClientError{mcp::ClientError::Kind::Protocol, answer.error().message, 0, {}};
  }
  connection_->client().answer_question(number, std::move(told));
}

void Upstream::connection_is_asked_no_more(std::int64_t number) {
  const std::optional<Question> question = take_question(number);
  if (question && question->take_back) question->take_back();
}

// Those of one call, or all there are. A server of the handshake era waits for an answer to each,
// and hears that there is none; in the modern one they end with the request.
void Upstream::drop_questions(std::optional<std::uint64_t> of_call) {
  std::vector<std::int64_t> dropped;
  for (const auto& [number, question] : questions_) {
    if (!of_call || question.call == *of_call) dropped.push_back(number);
  }
  for (const std::int64_t number : dropped) {
    const std::optional<Question> question = take_question(number);
    if (!question) continue;
    if (question->take_back) question->take_back();
    if (!connection_ || mcp::is_modern(connection_->client().version())) continue;
    mcp::ClientAnswer none;
    none.error = mcp::ClientError{mcp::ClientError::Kind::Protocol,
                                  "Nobody answers any more, because the call that it was asked for "
                                  "is over. Ask in another one.",
                                  0,
                                  {}};
    connection_->client().answer_question(number, std::move(none));
  }
}

void Upstream::be_idle_from_now() {
  if (calls_.empty() && state_ == State::Running) idle_.start(settings_.idle_timeout);
}

}  // namespace pyember::host

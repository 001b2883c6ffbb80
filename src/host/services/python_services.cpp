#include "host/services/python_services.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <deque>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "host/options.h"
#include "host/services/packages_directory.h"
#include "host/session/session_link.h"

// A call is one cell of a session that stands in no registry. Calls run one after the other: the
// one in front has been submitted, the others wait here, so that a lost interpreter takes only one
// call with it.
//
// An answer comes as one line of JSON on descriptor 1 and ends with its cell. Secrets pass through
// here (values of .env files): nothing is logged of arguments and answers, a cell has no result
// that the session would remember, and mcp_services forgets the cell's source before it works.

namespace pyember::host {

namespace {

using mcp::Json;

std::string quoted(const std::string& text) {
  std::string literal;
  mcp::append_json_string(literal, text);  // also a literal of Python's
  return literal;
}

// The first cell of the session: the runtime hides its own folder from sessions.
std::string setup_source() {
  return fmt::format(
      "import sys; sys.path[:1] = [{}]; import mcp_services; mcp_services.prepare({})",
      quoted(find_runtime_directory()), quoted(find_packages_directory()));
}

std::string cell_source(const std::string& function, const Json& arguments) {
  return fmt::format("mcp_services.serve({}, {})", quoted(function),
                     quoted(mcp::to_json_text(arguments)));
}

mcp::JsonBounds answer_bounds() {
  mcp::JsonBounds bounds = mcp::JsonBounds::standard();
  bounds.members = limits::kMaximumServiceMembers;
  return bounds;
}

Error failed(const std::string& function, const std::string& why, const std::string& next) {
  return {ErrorCode::Unavailable, fmt::format("The server's own Python could not answer '{}': {}. "
                                              "{}",
                                              function, why, next)};
}

ErrorCode code_of(const std::string& type) {
  if (type == "FileNotFoundError") return ErrorCode::NotFound;
  if (type == "ValueError" || type == "TypeError") return ErrorCode::InvalidArgument;
  return ErrorCode::Unavailable;
}

// {"value": …}, or {"error": {"type", "message"}}.
Result<Json> read_answer(const std::string& function, const std::string& line) {
  Result<Json> parsed = mcp::parse_json(line, answer_bounds());
  if (!parsed) {
    return failed(function, "its answer was damaged or too large", "Try again with smaller input.");
  }
  Json& answer = parsed.value();
  if (const auto value = answer.find("value"); value != answer.end()) return std::move(*value);
  const auto error = answer.find("error");
  if (error == answer.end()) {
    return failed(function, "its answer had no content", "Try again.");
  }
  return Error{code_of(error->value("type", "")), error->value("message", "")};
}

}  // namespace

class PythonServices::Impl final : public SessionLink::Owner {
 public:
  Impl(RuntimeSource runtime, EventLoop& loop, LoopPoster& poster, std::chrono::milliseconds idle)
      : runtime_(std::move(runtime)),
        loop_(loop),
        poster_(poster),
        idle_(idle),
        deadline_timer_(loop, [this] { deadline_passed(); }),
        idle_timer_(loop, [this] { drop_link(); }),
        later_timer_(loop, [this] { later(); }),
        chunk_(limits::kReadChunkBytes) {}

  ~Impl() override {
    if (link_) link_->silence();
  }

  void call(std::string function, Json arguments, Done done) {
    CHECK(loop_.on_loop_thread());
    if (waiting_.size() >= limits::kMaximumServiceCalls) {
      answer({std::move(function), {}, std::move(done)},
             Error{ErrorCode::LimitReached,
                   fmt::format("The server's own Python has {} calls waiting, and that is the "
                               "limit. Send fewer calls at once and try again.",
                               waiting_.size())});
      return;
    }
    waiting_.push_back({std::move(function), std::move(arguments), std::move(done)});
    begin_next();
  }

 private:
  struct Call {
    std::string function;
    Json arguments;
    Done done;
  };
  struct Answer {
    Done done;
    Result<Json> result;
  };

  void begin_next() {
    if (running_ || waiting_.empty()) return;
    idle_timer_.stop();
    if (!link_) open_link();
    running_ = std::move(waiting_.front());
    waiting_.pop_front();
    output_.clear();
    link_->session().submit({++number_, cell_source(running_->function, running_->arguments),
                             limits::kServiceCallDeadline});
    running_->arguments = nullptr;
    deadline_timer_.start(limits::kServiceAnswerDeadline);
  }

  void open_link() {
    // A wake-up may be on its way when this is gone already: the poster outlives it.
    link_ = std::make_unique<SessionLink>(
        [this](embed::SessionListener& listener) {
          embed::SessionOptions options;
          options.name = "services";
          return runtime_().open_session(std::move(options), listener);
        },
        SessionLink::Place{loop_, poster_, chunk_}, *this,
        [alive = std::weak_ptr<Impl*>(alive_), link = ++link_number_] {
          const auto impl = alive.lock();
          if (impl && (*impl)->link_ && (*impl)->link_number_ == link) (*impl)->link_->pump();
        });
    link_->session().submit({++number_, setup_source(), limits::kServiceCallDeadline});
  }

  // The link may be in the middle of a call to us: it is destroyed in a later turn.
  void drop_link() {
    if (!link_) return;
    link_->silence();
    retired_.push_back(std::move(link_));
    later_timer_.start(std::chrono::milliseconds(0));
  }

  void finish(Result<Json> result) {
    deadline_timer_.stop();
    if (!running_) return;
    Call call = std::move(*running_);
    running_.reset();
    output_.clear();
    if (output_.capacity() > limits::kReadChunkBytes) output_.shrink_to_fit();
    answer(std::move(call), std::move(result));
  }

  void answer(Call call, Result<Json> result) {
    answers_.push_back({std::move(call.done), std::move(result)});
    later_timer_.start(std::chrono::milliseconds(0));
  }

  void later() {
    retired_.clear();
    begin_next();
    if (!running_ && link_) idle_timer_.start(idle_);
    const std::weak_ptr<Impl*> alive = alive_;
    std::deque<Answer> answers = std::exchange(answers_, {});
    for (Answer& each : answers) {
      each.done(std::move(each.result));
      if (alive.expired()) return;  // its caller has destroyed us
    }
  }

  void deadline_passed() {
    if (!running_) return;
    spdlog::error("service_silent function={}", running_->function);
    drop_link();
    finish(failed(running_->function, "it was not ready in time",
                  "Try again; a busy machine may "
                  "need a moment."));
  }

  void link_output(Stream stream, std::string_view bytes) override {
    if (stream != Stream::Stdout || !running_) return;
    if (output_.size() + bytes.size() > limits::kMaximumServiceAnswerBytes) {
      bytes = {};  // what is too long does not parse
    }
    output_ += bytes;
  }

  void link_cell_finished(embed::CellNumber number, embed::CellOutcome outcome) override {
    if (!running_ || number != number_) return;
    const std::string& function = running_->function;
    switch (outcome.status) {
      case embed::Status::Completed:
        finish(read_answer(function, output_));
        break;
      case embed::Status::TimedOut:
        finish(failed(function, "it took longer than 10 s", "Try again with smaller input."));
        break;
      case embed::Status::Lost:
        lost(outcome.error ? outcome.error->message : "its interpreter ended");
        break;
      default:
        // Its own failures are answers; this is a mistake of ours or a broken installation.
        spdlog::error("service_raised function={} type={}", function,
                      outcome.error ? outcome.error->type : "");
        finish(failed(function,
                      outcome.error ? outcome.error->type + ": " + outcome.error->message
                                    : "it was interrupted",
                      "Look whether the server's installation is complete."));
    }
  }

  void link_names_ready(std::uint64_t, std::vector<embed::NameInfo>) override {}
  void link_reset_finished(std::uint64_t) override {}
  void link_lost(std::string reason) override { lost(reason); }

  void lost(const std::string& reason) {
    spdlog::error("service_lost function={} reason=\"{}\"", running_ ? running_->function : "",
                  reason);
    drop_link();
    if (running_) {
      finish(failed(running_->function, "its interpreter was lost (" + reason + ")",
                    "It is replaced by the next call; try again."));
    }
  }

  RuntimeSource runtime_;
  EventLoop& loop_;
  LoopPoster& poster_;
  const std::chrono::milliseconds idle_;
  // Shared with wake-ups that are on their way, which look here whether we still are.
  const std::shared_ptr<Impl*> alive_ = std::make_shared<Impl*>(this);

  Timer deadline_timer_;
  Timer idle_timer_;
  Timer later_timer_;

  std::vector<char> chunk_;
  std::vector<std::unique_ptr<SessionLink>> retired_;
  std::unique_ptr<SessionLink> link_;
  std::uint64_t link_number_ = 0;

  std::deque<Call> waiting_;
  std::optional<Call> running_;
  embed::CellNumber number_ = 0;
  std::string output_;  // of the call that runs
  std::deque<Answer> answers_;
};

PythonServices::PythonServices(RuntimeSource runtime, EventLoop& loop, LoopPoster& poster,
                               std::chrono::milliseconds idle)
    : impl_(std::make_unique<Impl>(std::move(runtime), loop, poster, idle)) {}

PythonServices::~PythonServices() = default;

void PythonServices::call(std::string function, Json arguments, Done done) {
  impl_->call(std::move(function), std::move(arguments), std::move(done));
}

}  // namespace pyember::host

#include "host/upstream/stdio_upstream.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/limits.h"
#include "base/own_environment.h"
#include "host/upstream/child_stderr.h"
#include "host/upstream/kept_child.h"
#include "mcp/errors.h"
#include "mcp/json_rpc.h"
#include "mcp/line_framer.h"

// The child is over when its keeper is (then nothing of it is left), and what it said before that
// has been read. One that closes its stdout and lives on is asked to end: nothing can come of it.
namespace pyember::host {

namespace {

constexpr std::size_t kShownNonsense = 200;
constexpr std::size_t kNonsenseLines = 5;  // of one child, remembered

std::vector<std::string> child_environment(const UpstreamDefinition& definition) {
  std::vector<std::string> found;
  for (const auto& [name, value] : own_environment()) {
    if (!name.starts_with("PYEMBER_") && !definition.environment.contains(std::string(name))) {
      found.push_back(fmt::format("{}={}", name, value));
    }
  }
  for (const auto& [name, value] : definition.environment) found.push_back(name + "=" + value);
  return found;
}

std::vector<std::string> secrets_of(const UpstreamDefinition& definition) {
  std::vector<std::string> found;
  for (const auto& [name, value] : definition.environment) found.push_back(value);
  return found;
}

// Empty where the directory is missing: then it is ours, and a warning says so.
std::string usable_directory(const UpstreamDefinition& definition) {
  struct stat about {};
  const std::string& wanted = definition.working_directory;
  if (wanted.empty() || (stat(wanted.c_str(), &about) == 0 && S_ISDIR(about.st_mode))) {
    return wanted;
  }
  spdlog::warn("upstream_directory_missing server=\"{}\" directory=\"{}\"", definition.name,
               wanted);
  return {};
}

class StdioTransport final : public UpstreamTransport, private mcp::LineFramer::Receiver {
 public:
  StdioTransport(EventLoop& loop, const UpstreamDefinition& definition,
                 const TransportSettings& settings, Owner& owner)
      : loop_(loop),
        definition_(definition),
        settings_(settings),
        owner_(owner),
        framer_(limits::kUpstreamMessageBytes, *this),
        ladder_(loop, [this] { next_step(); }),
        done_turn_(loop, [this] { finish_end(); }) {}

  void start() override;
  void send(OutgoingMessage message) override;
  void abandon(std::int64_t) override {}
  void end(std::function<void()> done) override;
  std::string last_stderr() const override { return stderr_ ? stderr_->last() : std::string(); }

 private:
  enum class Ladder { None, InputClosed, Asked, Killed };

  void started(Result<KeptChild::Started> result);
  void readable();
  void read_output(std::size_t reads);
  void write_waiting();
  void close_input();
  void begin_ladder();
  void next_step();
  void child_ended();
  void finish_end();
  void report_end(const std::string& what);

  void line(std::string_view text) override;
  void overlong_line(std::string_view beginning, std::string_view end) override;

  EventLoop& loop_;
  const UpstreamDefinition& definition_;
  const TransportSettings& settings_;
  Owner& owner_;
  mcp::LineFramer framer_;
  // Told to the callback of a start that is under way; dropped with this, so that it knows.
  std::shared_ptr<StdioTransport*> self_ = std::make_shared<StdioTransport*>(this);
  std::unique_ptr<KeptChild> child_;
  std::unique_ptr<ChildStderr> stderr_;
  Descriptor input_;
  Descriptor output_;
  std::unique_ptr<Poll> input_poll_;  // before its descriptor in the order of destruction
  std::unique_ptr<Poll> output_poll_;
  struct Line {
    std::string text;
    std::optional<std::int64_t> id;
  };
  void give_up_writing();

  std::deque<Line> waiting_;  // not written yet, or not whole
  std::size_t waiting_bytes_ = 0;
  std::size_t written_ = 0;  // of the first of them
  std::size_t nonsense_ = 0;
  Ladder ladder_step_ = Ladder::None;
  Timer ladder_;
  Timer done_turn_;
  std::function<void()> done_;  // of end()
  bool ending_ = false;
  bool told_ = false;
  std::array<char, limits::kReadChunkBytes> chunk_;
};

void StdioTransport::start() {
  KeptChild::Command command{settings_.runner,
                             usable_directory(definition_),
                             {definition_.command},
                             child_environment(definition_)};
  command.words.insert(command.words.end(), definition_.arguments.begin(),
                       definition_.arguments.end());
  KeptChild::start(loop_, std::move(command),
                   [self = std::weak_ptr(self_)](Result<KeptChild::Started> result) {
                     // Nobody is there any more: what was started ends with `result`.
                     if (const auto alive = self.lock()) (*alive)->started(std::move(result));
                   });
}

void StdioTransport::started(Result<KeptChild::Started> result) {
  if (!result) {
    if (ending_) {
      finish_end();
    } else {
      report_end(result.error().message);
    }
    return;
  }
  KeptChild::Started started = result.take();
  child_ = std::move(started.child);
  child_->on_end([this] { child_ended(); });
  input_ = std::move(started.pipes.input);
  output_ = std::move(started.pipes.output);
  stderr_ = std::make_unique<ChildStderr>(loop_, std::move(started.pipes.errors),
                                          secrets_of(definition_));
  output_poll_ = std::make_unique<Poll>(loop_, output_.get(), [this](int) { readable(); });
  output_poll_->start(UV_READABLE);
  input_poll_ = std::make_unique<Poll>(loop_, input_.get(), [this](int) { write_waiting(); });
  write_waiting();
  if (ending_) begin_ladder();
}

// Written at once where that is possible, so that a call costs no turn of the loop.
void StdioTransport::send(OutgoingMessage message) {
  if (ending_ || told_) return;
  if (child_ && !input_.valid()) {
    if (message.id) owner_.transport_could_not_send(*message.id);
    return;
  }
  const std::size_t bytes = message.text.size() + 1;
  if (bytes > limits::kUpstreamMessageBytes ||
      waiting_bytes_ + bytes > limits::kUpstreamUnsentBytes) {
    if (message.id) {
      owner_.transport_request_failed(
          *message.id, {ErrorCode::LimitReached,
                        fmt::format("it is too large, or what was sent before is not read ({} MB)",
                                    (waiting_bytes_ + bytes) >> 20)});
    }
    return;
  }
  message.text += '\n';
  waiting_.push_back({std::move(message.text), message.id});
  waiting_bytes_ += bytes;
  if (waiting_.size() == 1) write_waiting();
}

void StdioTransport::write_waiting() {
  if (!input_.valid()) return;
  while (!waiting_.empty()) {
    const std::string& first = waiting_.front().text;
    const ssize_t n = write(input_.get(), first.data() + written_, first.size() - written_);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      input_poll_->start(UV_WRITABLE);
      return;
    }
    if (n < 0) {
      give_up_writing();
      return;
    }
    written_ += static_cast<std::size_t>(n);
    if (written_ < first.size()) continue;
    waiting_bytes_ -= first.size();
    written_ = 0;
    waiting_.pop_front();
  }
  input_poll_->stop();
  if (ending_) close_input();
}

// It does not read any more, and has seen no whole line of what waits. Its end, or that of its
// stdout, is about to be told.
void StdioTransport::give_up_writing() {
  close_input();
  waiting_bytes_ = written_ = 0;
  if (!ending_) begin_ladder();
  for (const Line& each : std::exchange(waiting_, {})) {
    if (each.id) owner_.transport_could_not_send(*each.id);
  }
}

void StdioTransport::close_input() {
  input_poll_.reset();
  input_.close();
}

void StdioTransport::readable() { read_output(limits::kUpstreamReadsPerTurn); }

void StdioTransport::read_output(std::size_t reads) {
  for (std::size_t i = 0; i < reads && output_.valid(); ++i) {
    const ssize_t n = read(output_.get(), chunk_.data(), chunk_.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n > 0) {
      framer_.receive({chunk_.data(), static_cast<std::size_t>(n)});
      // Less than asked for: nothing more is there now.
      if (static_cast<std::size_t>(n) < chunk_.size()) return;
      continue;
    }
    framer_.receive_end();
    output_poll_.reset();
    output_.close();
    if (child_ && !child_->has_ended() && !ending_) {
      close_input();
      begin_ladder();
    }
  }
}

void StdioTransport::line(std::string_view text) {
  if (ending_ || told_) return;
  if (text.front() != '{' && text.front() != '[' && text.find_first_of("{[") == text.npos) {
    // Not even an attempt at a message: a print() that went to stdout. Shown in errors.
    if (nonsense_++ < kNonsenseLines) {
      stderr_->add_line("(on stdout) " + std::string(text.substr(0, kShownNonsense)));
    }
    return;
  }
  owner_.transport_message(text);
}

void StdioTransport::overlong_line(std::string_view beginning, std::string_view end) {
  if (ending_ || told_) return;
  const std::string id = mcp::find_id(beginning, end).text();
  if (id.empty() || id.front() == '"') return;
  owner_.transport_request_failed(
      std::strtoll(id.c_str(), nullptr, 10),
      {ErrorCode::LimitReached,
       fmt::format("its answer is larger than {} MB", limits::kUpstreamMessageBytes >> 20)});
}

void StdioTransport::end(std::function<void()> done) {
  CHECK(!ending_);
  ending_ = true;
  done_ = std::move(done);
  if (told_) {
    done_turn_.start(std::chrono::milliseconds(0));
  } else if (child_) {
    if (waiting_.empty()) close_input();
    begin_ladder();
  }  // else it is being started, and ended when that has been done
}

void StdioTransport::begin_ladder() {
  if (ladder_step_ != Ladder::None) return;
  ladder_step_ = Ladder::InputClosed;
  ladder_.start(limits::kUpstreamEndGrace);
}

void StdioTransport::next_step() {
  if (!child_ || child_->has_ended()) return;
  switch (ladder_step_) {
    case Ladder::None:
    case Ladder::InputClosed:
      close_input();
      child_->ask_to_end();
      ladder_step_ = Ladder::Asked;
      ladder_.start(limits::kUpstreamTermGrace);
      return;
    case Ladder::Asked:
      child_->kill_all();
      ladder_step_ = Ladder::Killed;
      ladder_.start(limits::kUpstreamTermGrace);
      return;
    case Ladder::Killed:  // it sits in the kernel, and nobody can wait for that
      child_ended();
  }
}

void StdioTransport::child_ended() {
  ladder_.stop();
  // Its last words; a grandchild that holds the pipe all the same is not waited for.
  if (output_.valid()) read_output(limits::kUpstreamMessageBytes / limits::kReadChunkBytes);
  if (stderr_) stderr_->read_now();
  if (ending_) {
    finish_end();
    return;
  }
  const std::string how = child_->how_it_ended();
  report_end(fmt::format("its program ended{}{}", how.empty() ? "" : " ", how));
}

void StdioTransport::finish_end() {
  told_ = true;
  if (const auto done = std::exchange(done_, nullptr)) done();  // may destroy this
}

void StdioTransport::report_end(const std::string& what) {
  if (std::exchange(told_, true)) return;
  const std::string said = last_stderr();
  owner_.transport_ended(said.empty() ? what : fmt::format("{}; it printed:\n{}\n", what, said));
}

}  // namespace

std::unique_ptr<UpstreamTransport> make_stdio_transport(EventLoop& loop,
                                                        const UpstreamDefinition& definition,
                                                        const TransportSettings& settings,
                                                        UpstreamTransport::Owner& owner) {
  return std::make_unique<StdioTransport>(loop, definition, settings, owner);
}

}  // namespace pyember::host

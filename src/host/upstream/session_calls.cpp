#include "host/upstream/session_calls.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/limits.h"

namespace pyember::host {

namespace {

using mcp::Json;

constexpr int kLargePipe = 1 << 20;
constexpr std::size_t kOrdinaryPipe = 64u << 10;

std::string new_token() {
  std::array<unsigned char, 16> bytes{};
  CHECK(getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  std::string token;
  for (const unsigned char byte : bytes) token += fmt::format("{:02x}", byte);
  return token;
}

// 0: it has none that can be used.
std::uint64_t id_of(const Json& frame, const char* member) {
  const auto found = frame.find(member);
  if (found == frame.end() || !found->is_number_unsigned()) return 0;
  const auto id = found->get<std::uint64_t>();
  return id <= limits::kMaximumCallId ? id : 0;
}

std::string text_of(const Json& frame, const char* member) {
  const auto found = frame.find(member);
  return found != frame.end() && found->is_string() ? found->get<std::string>() : std::string();
}

CallError cell_is_over() {
  return {
      "cancelled",
      "The call was cancelled, because the cell that made it has ended. What it has done already "
      "stays done; wait for calls before a cell ends."};
}

}  // namespace

SessionCalls::SessionCalls(EventLoop& loop, std::shared_ptr<CallPipes> pipes, CallService& service,
                           Owner& owner, std::vector<char>& chunk)
    : loop_(loop),
      pipes_(std::move(pipes)),
      service_(service),
      owner_(owner),
      chunk_(chunk),
      poll_(loop, pipes_->incoming(), [this](int) { readable(); }) {
  poll_.start(UV_READABLE);
}

SessionCalls::~SessionCalls() {
  for (const auto& [id, call] : calls_) {
    if (call.service_id != 0) service_.cancel(call.service_id);
  }
}

// --- what comes ----------------------------------------------------------------------------------

void SessionCalls::readable() {
  // It has written, so it has its own ends.
  pipes_->close_session_ends();
  for (std::size_t i = 0; i < limits::kOutputReadsPerTurn && reading_; ++i) {
    ssize_t n;
    do n = read(pipes_->incoming(), chunk_.data(), chunk_.size());
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return break_off("");
    frames_.add({chunk_.data(), static_cast<std::size_t>(n)});
    take_frames();
    if (static_cast<std::size_t>(n) < chunk_.size()) return;
  }
}

void SessionCalls::take_frames() {
  while (!broken_) {
    const Result<std::optional<std::string_view>> text = frames_.next();
    if (!text) return break_off(text.error().message.c_str());
    if (!text.value()) return;
    take(*text.value());
  }
}

void SessionCalls::take(std::string_view text) {
  constexpr mcp::JsonBounds kBounds{limits::kMaximumJsonDepth, limits::kUpstreamJsonMembers,
                                    limits::kUpstreamJsonValues};
  Result<Json> parsed = mcp::parse_json(text, kBounds);
  if (!parsed) return take_unreadable(text, parsed.error());
  Json frame = parsed.take();
  if (!frame.is_object()) return break_off("a frame is no object");
  const std::uint64_t id = id_of(frame, "id");
  if (id == 0) return break_off("a frame has no id");
  const std::string op = text_of(frame, "op");
  if (op == "cancel") return cancel(frame);
  if (calls_.contains(id)) return break_off("an id was used again");
  if (op == "begin") return begin(id);
  call(id, std::move(frame), text.size());
}

// What is well framed but too much is an error of that call's alone.
void SessionCalls::take_unreadable(std::string_view text, const Error& error) {
  const std::uint64_t id = id_in_front(text);
  if (error.code != ErrorCode::LimitReached || id == 0 || calls_.contains(id)) {
    return break_off("a frame is not JSON");
  }
  refuse(id, {"too_large",
              fmt::format("Nothing was sent: the call's arguments are more than this server reads "
                          "({}). Send the data as one text, in parts, or as a file.",
                          error.message)});
}

void SessionCalls::begin(std::uint64_t id) {
  const embed::CellNumber running = owner_.running_cell();
  if (running == 0 || !permit_ || permit_->cell != running) {
    permit_ = running == 0 ? nullptr : owner_.permit_for(running);
    token_ = new_token();
  }
  if (!permit_) {
    return refuse(id,
                  {"no_run",
                   "No MCP server can be called now: no cell runs in this session, and calls are "
                   "made by cells. Make the call in a cell, and wait for it there."});
  }
  send(value_frame(id, fmt::format("{{\"token\":\"{}\",\"cell\":{}}}", token_, permit_->cell)));
}

void SessionCalls::cancel(const Json& frame) {
  const auto found = calls_.find(id_of(frame, "target"));
  if (found == calls_.end()) return;
  if (found->second.service_id != 0) service_.cancel(found->second.service_id);
  drop(found);
  serve_waiting();
  look_at_pressure();
}

void SessionCalls::call(std::uint64_t id, Json frame, std::size_t bytes) {
  const std::string token = text_of(frame, "token");
  if (!permit_ || token.empty() || token != token_) {
    return refuse(id,
                  {"token",
                   "The call was refused: its token is not the running cell's. Tokens are good for "
                   "one cell; call through the mcp package, which sees to them."});
  }
  CallOrder order{text_of(frame, "op"), std::move(frame), {}};
  for (const char* member : {"id", "token", "op"}) order.fields.erase(member);
  calls_.emplace(id, Call{permit_, bytes, false, 0});
  held_bytes_ += bytes;
  waiting_.push_back({id, std::move(order)});
  serve_waiting();
  look_at_pressure();
}

// --- serving -------------------------------------------------------------------------------------

// Calls may be answered from within, which makes room for the next: they are begun here, one after
// the other, and not from within each other.
void SessionCalls::serve_waiting() {
  if (std::exchange(serving_, true)) return;
  while (!waiting_.empty() && served_ < limits::kCallsInFlight) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    if (calls_.contains(next.id)) serve(next.id, std::move(next.order));  // else it was cancelled
  }
  serving_ = false;
}

void SessionCalls::serve(std::uint64_t id, CallOrder order) {
  Call& call = calls_.at(id);
  const std::shared_ptr<RunPermit> permit = call.permit;
  call.served = true;
  ++served_;
  order.progress = [this, id, alive = std::weak_ptr<const bool>(alive_)](
                       double done, std::optional<double> total, std::string_view message) {
    if (alive.expired() || !calls_.contains(id)) return;
    // Nobody misses what is told while the session doesn't read.
    if (unsent_bytes_ > limits::kHeldProgressBytes) return;
    send(progress_frame(id, done, total, message.substr(0, limits::kProgressMessageBytes)));
  };
  const std::uint64_t service_id =
      service_.serve(permit, std::move(order),
                     [this, id, alive = std::weak_ptr<const bool>(alive_)](CallAnswer answer) {
                       if (!alive.expired()) finished(id, answer);
                     });
  if (const auto found = calls_.find(id); found != calls_.end()) {
    found->second.service_id = service_id;
  }
}

void SessionCalls::finished(std::uint64_t id, const CallAnswer& answer) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  drop(found);
  if (answer.error) {
    refuse(id, *answer.error);
  } else {
    send(value_frame(id, answer.value));
  }
  serve_waiting();
  look_at_pressure();
}

void SessionCalls::drop(std::map<std::uint64_t, Call>::iterator call) {
  if (call->second.served) --served_;
  held_bytes_ -= call->second.bytes;
  calls_.erase(call);
}

void SessionCalls::cell_ended(embed::CellNumber cell) {
  if (permit_ && permit_->cell <= cell) {
    permit_.reset();
    token_.clear();
  }
  if (calls_.empty()) return;
  for (auto each = calls_.begin(); each != calls_.end();) {
    const auto next = std::next(each);
    if (each->second.permit->cell <= cell) {
      const std::uint64_t id = each->first;
      if (each->second.service_id != 0) service_.cancel(each->second.service_id);
      drop(each);
      refuse(id, cell_is_over());
    }
    each = next;
  }
  serve_waiting();
  look_at_pressure();
}

// --- what goes -----------------------------------------------------------------------------------

void SessionCalls::refuse(std::uint64_t id, const CallError& error) {
  send(error_frame(id, error));
}

void SessionCalls::send(std::string frame) {
  if (broken_) return;
  if (frame.size() > limits::kMaximumCallFrame) {
    const std::uint64_t id = id_in_front(std::string_view(frame).substr(4));
    frame = error_frame(
        id,
        {"too_large", fmt::format("The answer has {} bytes, and {} are the most that reach a "
                                  "session. Ask for less at a time, or have it written to a file.",
                                  frame.size(), limits::kMaximumCallFrame)});
  }
  if (frame.size() > kOrdinaryPipe && !std::exchange(large_pipe_, true)) {
    fcntl(pipes_->outgoing(), F_SETPIPE_SZ, kLargePipe);  // may be refused, and is no need
  }
  unsent_bytes_ += frame.size();
  unsent_.push_back(std::move(frame));
  if (unsent_.size() == 1) write_some();
}

void SessionCalls::write_some() {
  while (!unsent_.empty()) {
    const std::string& frame = unsent_.front();
    const ssize_t n = write(pipes_->outgoing(), frame.data() + sent_, frame.size() - sent_);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) return break_off("", Pipe::InUse);
    sent_ += static_cast<std::size_t>(n);
    unsent_bytes_ -= static_cast<std::size_t>(n);
    if (sent_ < frame.size()) continue;
    unsent_.pop_front();
    sent_ = 0;
  }
  if (!unsent_.empty() && !write_poll_) {
    write_poll_ = std::make_unique<Poll>(loop_, pipes_->outgoing(), [this](int) {
      write_some();
      look_at_pressure();
    });
  }
  if (!write_poll_) return;
  if (unsent_.empty()) {
    write_poll_->stop();
  } else {
    write_poll_->start(UV_WRITABLE);
  }
}

// Reads no more as long as too much of what was read, or answered, waits.
void SessionCalls::look_at_pressure() {
  const bool wanted = !broken_ && held_bytes_ + unsent_bytes_ <= limits::kHeldCallBytes &&
                      calls_.size() < limits::kCallsWaiting;
  if (wanted == reading_) return;
  reading_ = wanted;
  if (wanted) {
    poll_.start(UV_READABLE);
  } else {
    poll_.stop();
  }
}

// The session sees the end of its answers. A pipe that could not be written to has no reader, and
// may be polled by whoever calls this.
void SessionCalls::break_off(const char* why, Pipe outgoing) {
  if (std::exchange(broken_, true)) return;
  if (*why != '\0') spdlog::warn("calls_channel_broken reason=\"{}\"", why);
  poll_.stop();
  reading_ = false;
  if (outgoing == Pipe::Idle) {
    write_poll_.reset();
    pipes_->close_outgoing();
  } else if (write_poll_) {
    write_poll_->stop();
  }
  unsent_.clear();
  unsent_bytes_ = 0;
  waiting_.clear();
  for (const auto& [id, call] : std::exchange(calls_, {})) {
    if (call.service_id != 0) service_.cancel(call.service_id);
  }
  held_bytes_ = served_ = 0;
  permit_.reset();
  token_.clear();
}

}  // namespace pyember::host

#include "host/transport/stdio.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/limits.h"

namespace pyember::host {

namespace {

// Non-blocking, without changing the descriptor for those who share it: a pipe or terminal is
// opened anew through /proc; elsewhere the flag is set on what is there.
int non_blocking(int fd, int access) {
#ifdef __linux__
  struct stat status {};
  if (fstat(fd, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode))) {
    const std::string path = fmt::format("/proc/self/fd/{}", fd);
    const int own = open(path.c_str(), access | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (own >= 0) {
      close(fd);
      return own;
    }
  }
#else
  static_cast<void>(access);
#endif
  const int flags = fcntl(fd, F_GETFL);
  if (flags >= 0) fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  return fd;
}

int replace(int fd, const char* path, int access) {
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  const int other = open(path, access | O_CLOEXEC);
  if (other >= 0) {
    dup2(other, fd);
    if (other != fd) close(other);
  }
  return own;
}

}  // namespace

ProtocolDescriptors take_stdio() {
  // A descriptor that is closed when we start would be handed out to the next file we open.
  for (const int fd : {0, 1, 2}) {
    if (fcntl(fd, F_GETFD) < 0) CHECK(open("/dev/null", O_RDWR) == fd);
  }
  ProtocolDescriptors descriptors;
  descriptors.input = replace(0, "/dev/null", O_RDONLY);
  descriptors.output = fcntl(1, F_DUPFD_CLOEXEC, 3);
  CHECK(dup2(2, 1) == 1);
  CHECK(descriptors.input >= 0 && descriptors.output >= 0);
  descriptors.input = non_blocking(descriptors.input, O_RDONLY);
  descriptors.output = non_blocking(descriptors.output, O_WRONLY);
  return descriptors;
}

StdioTransport::StdioTransport(EventLoop& loop, ProtocolDescriptors descriptors,
                               journal::Journal& journal, Callbacks callbacks)
    : descriptors_(descriptors),
      callbacks_(std::move(callbacks)),
      journal_(journal),
      input_poll_(loop, descriptors.input, [this](int) { readable(); }),
      output_poll_(loop, descriptors.output, [this](int) { flush(); }),
      input_turns_(loop, [this] { readable(); }),
      before_wait_(loop, [this] { flush(); }) {}

StdioTransport::~StdioTransport() {
  // Closed while the polls still exist would be wrong; they are members, so leave the descriptors
  // to a moment after them: libuv forgets a descriptor when its poll is stopped.
  input_poll_.stop();
  output_poll_.stop();
  close(descriptors_.input);
  close(descriptors_.output);
}

mcp::Continuation StdioTransport::resume() {
  journal_.input.recover();
  if (!journal_.output.recover())
    spdlog::warn("resumed_output reason=\"the last line may be cut\"");
  // The rest of such a line died with the server; its request is answered anew.
  if (journal_.output.ends_within_line()) journal_.output.append({}, "\n");
  mcp::Continuation left;
  left.protocol = journal_.protocol.read();
  left.position = passed_to_ = searched_to_ = journal_.input.parsed_to();
  left.overlong_beginning = journal_.input.overlong_beginning();
  at_line_start_ = left.overlong_beginning.empty();
  for (journal::KeptRequest& each :
       journal_.requests.recover(left.position, journal_.output.end())) {
    left.lines.push_back({std::move(each.line), each.ticket, each.begun, each.truncated});
  }
  resuming_ = true;
  return left;
}

void StdioTransport::start() {
  resuming_ = false;
  pass_on();
  update_reading();
}

// --- input -----------------------------------------------------------------------------------

std::size_t StdioTransport::held_bytes() const {
  return static_cast<std::size_t>(journal_.input.read_to() - passed_to_);
}

void StdioTransport::update_reading() {
  const bool want = !input_over_ && !handing_over_ && held_bytes() < limits::kHeldInputBytes;
  if (want == reading_) return;
  reading_ = want;
  if (!input_poll_.valid()) {
    want ? input_turns_.start() : input_turns_.stop();
  } else if (want) {
    input_poll_.start(UV_READABLE);
  } else {
    input_poll_.stop();
  }
}

void StdioTransport::readable() {
  if (!reading_) return;
  const std::span<char> room = journal_.input.room();
  CHECK(!room.empty());
  ssize_t n;
  do n = read(descriptors_.input, room.data(), room.size());
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    journal_.input.add(static_cast<std::size_t>(n));
    pass_on();
  } else if (n == 0 || errno != EAGAIN) {
    input_over_ = true;
    input_ended();
  }
  update_reading();
}

void StdioTransport::pass_on() {
  if (passing_ || handing_over_) return;  // a flush in here comes back
  passing_ = true;
  // In slices that end with a line, with a look at what the answers have piled up in between. What
  // is held back begins with a line, so that a cancellation can be let past it.
  while (held_bytes() > 0 && !(congested() && at_line_start_)) {
    const std::string_view bytes = journal_.input.from(passed_to_);
    const std::size_t least = congested() ? 1 : std::min(bytes.size(), limits::kInputSliceBytes);
    const std::size_t newline = bytes.find('\n', least - 1);
    const std::size_t cut = newline == std::string_view::npos ? bytes.size() : newline + 1;
    passed_to_ += cut;
    callbacks_.bytes(bytes.substr(0, cut));
    at_line_start_ = newline != std::string_view::npos;
    if (at_line_start_) journal_.input.parsed(passed_to_);  // blank lines, too
    if (congested()) flush();
  }
  passing_ = false;
  if (held_bytes() > 0) return let_cancels_past();
  searched_to_ = passed_to_;
  const bool overlong = !journal_.input.overlong_beginning().empty();
  if (overlong || journal_.input.unparsed().size() > limits::kMaximumLineBytes) {
    if (!at_line_start_) journal_.input.skip();
  }
}

void StdioTransport::let_cancels_past() {
  // The line stays where it is too: for the server a second cancellation of a request that is
  // over means nothing, and the request it names may still be held.
  searched_to_ = std::max(searched_to_, passed_to_);
  for (;;) {
    const std::string_view rest = journal_.input.from(searched_to_);
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return;
    searched_to_ += end + 1;
    const std::string_view line = rest.substr(0, end);
    if (line.size() < limits::kInputSliceBytes &&
        line.find("notifications/cancelled") != std::string_view::npos) {
      callbacks_.early(line);
    }
  }
}

void StdioTransport::input_ended() {
  if (!input_over_ || end_told_ || handing_over_ || held_bytes() > 0) return;
  end_told_ = true;
  callbacks_.end();
}

void StdioTransport::hand_over() {
  handing_over_ = true;
  update_reading();
}

// --- output ----------------------------------------------------------------------------------

bool StdioTransport::congested() const { return pending_bytes() > limits::kPendingOutputBytes; }

void StdioTransport::send(std::string&& line, const mcp::Envelope& envelope) {
  const mcp::Ticket ticket = envelope.ticket;
  if (output_gone_) return forget(ticket);
  if (handing_over_ && ticket != mcp::kNoTicket && journal_.requests.begun(ticket) == 0) return;
  if (waiting_.empty() && line.size() < journal_.output.room()) {
    append(line, "\n", ticket);
  } else {
    line += '\n';
    waiting_bytes_ += line.size();
    waiting_.push_back({std::move(line), ticket});
  }
}

// The order matters: see journal/request_log.h.
void StdioTransport::append(std::string_view line, std::string_view newline, mcp::Ticket ticket) {
  if (ticket != mcp::kNoTicket) {
    journal_.requests.answering(ticket, journal_.output.end() + line.size() + newline.size());
  }
  journal_.output.append(line, newline);
  if (ticket == mcp::kNoTicket) return;
  journal_.requests.remove(ticket);
  if (!resuming_) journal_.life.served();
}

// A line that is longer than all of the journal's room goes into it in parts.
void StdioTransport::append_waiting() {
  while (!waiting_.empty()) {
    Waiting& next = waiting_.front();
    const std::size_t room = journal_.output.room();
    if (next.line.size() <= room) {
      append(next.line, {}, next.ticket);
      waiting_bytes_ -= next.line.size();
      waiting_.pop_front();
    } else if (journal_.output.pending() == 0) {
      append(std::string_view(next.line).substr(0, room), {}, mcp::kNoTicket);
      next.line.erase(0, room);
      waiting_bytes_ -= room;
    } else {
      return;
    }
  }
}

mcp::Ticket StdioTransport::keep(std::string_view line, std::uint64_t position) {
  return journal_.requests.add(line, position);
}

void StdioTransport::dealt_with(std::uint64_t position) { journal_.input.parsed(position); }

void StdioTransport::forget(mcp::Ticket ticket) {
  if (ticket != mcp::kNoTicket) journal_.requests.remove(ticket);
}

std::atomic<std::uint8_t>* StdioTransport::begun_mark(mcp::Ticket ticket) {
  return ticket != mcp::kNoTicket ? &journal_.requests.begun(ticket) : nullptr;
}

void StdioTransport::protocol_changed(const std::string& state) { journal_.protocol.write(state); }

void StdioTransport::flush() {
  using Sent = journal::OutputLog::Sent;
  Sent sent = Sent::All;
  while (!output_gone_ && !flushed() && sent == Sent::All) {
    append_waiting();
    sent = journal_.output.send(descriptors_.output);
  }
  if (sent == Sent::Failed) give_up_output();
  watch_output(!flushed());
  if (held_bytes() > 0 && !congested()) {
    pass_on();
    input_ended();
    update_reading();
  }
}

void StdioTransport::watch_output(bool on) {
  if (on == watching_output_ || output_gone_) return;
  watching_output_ = on;
  on ? output_poll_.start(UV_WRITABLE) : output_poll_.stop();
}

void StdioTransport::give_up_output() {
  output_gone_ = true;
  if (watching_output_) output_poll_.stop();
  watching_output_ = false;
  for (const Waiting& each : std::exchange(waiting_, {})) forget(each.ticket);
  waiting_bytes_ = 0;
  journal_.output.drop();
  callbacks_.peer_gone();
}

}  // namespace pyember::host

#include "host/transport/stdio.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
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
                               Callbacks callbacks)
    : descriptors_(descriptors),
      callbacks_(std::move(callbacks)),
      chunk_(limits::kReadChunkBytes),
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

void StdioTransport::start() { update_reading(); }

// --- input -----------------------------------------------------------------------------------

void StdioTransport::update_reading() {
  const bool want = !input_over_ && held_.size() < limits::kHeldInputBytes;
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
  ssize_t n;
  do n = read(descriptors_.input, chunk_.data(), chunk_.size());
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    take(std::string_view(chunk_.data(), static_cast<std::size_t>(n)));
  } else if (n == 0 || errno != EAGAIN) {
    input_over_ = true;
    input_ended();
  }
  update_reading();
}

void StdioTransport::take(std::string_view bytes) {
  // In slices that end with a line, with a look at what the answers have piled up in between. What
  // is held back begins with a line, so that a cancellation can be let past it.
  while (!bytes.empty() && held_.empty() && !(congested() && at_line_start_)) {
    const std::size_t least = congested() ? 1 : std::min(bytes.size(), limits::kInputSliceBytes);
    const std::size_t newline = bytes.find('\n', least - 1);
    const std::size_t cut = newline == std::string_view::npos ? bytes.size() : newline + 1;
    callbacks_.bytes(bytes.substr(0, cut));
    at_line_start_ = newline != std::string_view::npos;
    bytes.remove_prefix(cut);
    if (congested()) flush();
  }
  if (bytes.empty()) return;
  held_.append(bytes);
  let_cancels_past();
}

void StdioTransport::let_cancels_past() {
  // The line stays where it is too: for the server a second cancellation of a request that is
  // over means nothing, and the request it names may still be held.
  for (;;) {
    const std::size_t end = held_.find('\n', held_scanned_);
    if (end == std::string::npos) return;
    const std::string line = held_.substr(held_scanned_, end + 1 - held_scanned_);
    held_scanned_ = end + 1;
    if (line.size() < limits::kInputSliceBytes &&
        line.find("notifications/cancelled") != std::string::npos) {
      callbacks_.bytes(line);
    }
  }
}

void StdioTransport::release_held() {
  if (held_.empty() || congested()) return;
  std::string held = std::move(held_);
  held_.clear();
  held_scanned_ = 0;
  take(held);
  input_ended();
  update_reading();
}

void StdioTransport::input_ended() {
  if (!input_over_ || end_told_ || !held_.empty()) return;
  end_told_ = true;
  callbacks_.end();
}

// --- output ----------------------------------------------------------------------------------

bool StdioTransport::congested() const { return pending_bytes() > limits::kPendingOutputBytes; }

void StdioTransport::write_line(std::string&& line) {
  if (output_gone_) return;
  if (pending_.empty()) {
    pending_ = std::move(line);
  } else {
    pending_ += line;
  }
  pending_ += '\n';
}

void StdioTransport::flush() {
  while (sent_ < pending_.size() && !output_gone_) {
    const ssize_t n = write(descriptors_.output, pending_.data() + sent_, pending_.size() - sent_);
    if (n >= 0) {
      sent_ += static_cast<std::size_t>(n);
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      give_up_output();
    }
  }
  if (sent_ == pending_.size()) {
    pending_.clear();
    if (pending_.capacity() > limits::kPendingOutputBytes) pending_.shrink_to_fit();
    sent_ = 0;
  } else if (sent_ > limits::kPendingOutputBytes / 2) {
    pending_.erase(0, sent_);
    sent_ = 0;
  }
  watch_output(!pending_.empty());
  release_held();
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
  pending_.clear();
  sent_ = 0;
  callbacks_.peer_gone();
}

}  // namespace pyember::host

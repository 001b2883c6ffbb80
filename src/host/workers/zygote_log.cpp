#include "host/workers/zygote_log.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"

namespace pyember::host {

namespace {

constexpr std::size_t kLongestLine = 1000;
constexpr std::size_t kReadsPerTurn = 32;

// What a library prints may hold anything; a log line holds no control characters, …
std::string printable(std::string_view text) {
  std::string found = utf8::repaired(text);
  for (char& each : found) {
    if (static_cast<unsigned char>(each) < 0x20 || each == 0x7f) each = ' ';
  }
  return found;
}

// … and a value in it none of the quotes that end it.
std::string as_value(std::string_view text) {
  std::string found = printable(text);
  std::replace(found.begin(), found.end(), '"', '\'');
  return found;
}

}  // namespace

ZygoteLog::ZygoteLog(EventLoop& loop, Descriptor pipe, pid_t zygote, const char* event)
    : pipe_(std::move(pipe)),
      zygote_(zygote),
      event_(event),
      poll_(loop, pipe_.get(), [this](int) { read_now(); }) {
  poll_.start(UV_READABLE);
}

void ZygoteLog::read_now() {
  std::array<char, 4096> chunk;
  for (std::size_t i = 0; i < kReadsPerTurn && !ended_; ++i) {
    const ssize_t n = read(pipe_.get(), chunk.data(), chunk.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n > 0) {
      add({chunk.data(), static_cast<std::size_t>(n)});
      continue;
    }
    ended_ = true;
    poll_.stop();
    if (!line_.empty()) write_line(line_);
  }
}

void ZygoteLog::add(std::string_view text) {
  const bool logged = read_ < limits::kZygoteLogBytes;
  read_ += text.size();
  tail_ += text;
  if (tail_.size() > 2 * limits::kZygoteLogTailBytes) {
    tail_.erase(0, tail_.size() - limits::kZygoteLogTailBytes);
  }
  while (logged && !text.empty()) {
    const std::size_t end = text.find('\n');
    if (line_.size() < kLongestLine) line_ += text.substr(0, end);
    if (end == std::string_view::npos) return;
    write_line(line_);
    line_.clear();
    text.remove_prefix(end + 1);
  }
}

void ZygoteLog::write_line(std::string_view line) const {
  spdlog::warn("{} pid={} text=\"{}\"", event_, zygote_, as_value(line.substr(0, kLongestLine)));
}

std::string ZygoteLog::last_words() const {
  std::string_view rest = tail_;
  while (!rest.empty() && (rest.back() == '\n' || rest.back() == ' ')) rest.remove_suffix(1);
  const std::size_t line = rest.rfind('\n');
  return printable(utf8::tail(rest.substr(line == std::string_view::npos ? 0 : line + 1), 400));
}

}  // namespace pyember::host

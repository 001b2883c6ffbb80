#include "host/upstream/child_stderr.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"

namespace pyember::host {

namespace {

constexpr std::size_t kShortestSecret = 6;  // a shorter one ("1", "true") is in every text

std::string printable(std::string_view text) {
  std::string found = utf8::repaired(text);
  for (char& each : found) {
    if ((static_cast<unsigned char>(each) < 0x20 && each != '\n') || each == 0x7f) each = ' ';
  }
  return found;
}

void blacken(std::string& text, const std::string& secret) {
  for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += 3) {
    text.replace(at, secret.size(), "***");
  }
}

}  // namespace

ChildStderr::ChildStderr(EventLoop& loop, Descriptor pipe, std::vector<std::string> secrets)
    : pipe_(std::move(pipe)),
      secrets_(std::move(secrets)),
      poll_(loop, pipe_.get(), [this](int) { read_now(); }) {
  poll_.start(UV_READABLE);
}

void ChildStderr::read_now() {
  std::array<char, 16u << 10> chunk;
  for (std::size_t i = 0; i < limits::kUpstreamReadsPerTurn && !ended_; ++i) {
    const ssize_t n = read(pipe_.get(), chunk.data(), chunk.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n > 0) {
      add({chunk.data(), static_cast<std::size_t>(n)});
      continue;
    }
    ended_ = true;
    poll_.stop();
  }
}

void ChildStderr::add(std::string_view text) {
  kept_ += text;
  if (kept_.size() > 2 * limits::kUpstreamStderrBytes) {
    kept_.erase(0, kept_.size() - limits::kUpstreamStderrBytes);
  }
}

void ChildStderr::add_line(std::string_view text) {
  if (!kept_.empty() && kept_.back() != '\n') kept_ += '\n';
  add(std::string(text) + "\n");
}

std::string ChildStderr::last() const {
  std::string text = printable(kept_);
  for (const std::string& secret : secrets_) {
    if (secret.size() >= kShortestSecret) blacken(text, secret);
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  if (text.size() <= limits::kUpstreamStderrShown) return text;
  std::string_view rest = std::string_view(text).substr(text.size() - limits::kUpstreamStderrShown);
  // From the beginning of a line, or at least of a character.
  const std::size_t line = rest.find('\n');
  rest.remove_prefix(line == std::string_view::npos ? 0 : line + 1);
  return "…\n" + utf8::repaired(rest);
}

}  // namespace pyember::host

#include "cli/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>

namespace pyember::cli {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

const char* code_of(Style style) {
  switch (style) {
    case Style::Bold:
      return "1";
    case Style::Dim:
      return "2";
    case Style::Red:
      return "31";
    case Style::Green:
      return "32";
    case Style::Yellow:
      return "33";
    case Style::Cyan:
      return "36";
    case Style::Plain:
      break;
  }
  return "0";
}

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace

Terminal Terminal::out() { return Terminal(STDOUT_FILENO); }
Terminal Terminal::err() { return Terminal(STDERR_FILENO); }

Terminal::Terminal(int fd) : fd_(fd), terminal_(isatty(fd) == 1) {
  const std::string kind = variable("TERM");
  capable_ = terminal_ && !kind.empty() && kind != "dumb";
  coloured_ = capable_ && variable("NO_COLOR").empty();
}

int Terminal::columns() const {
  winsize size{};
  if (ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string Terminal::styled(Style style, std::string_view text) const {
  if (!coloured_ || style == Style::Plain || text.empty()) return std::string(text);
  return fmt::format("\033[{}m{}\033[0m", code_of(style), text);
}

bool Terminal::write(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t written = ::write(fd_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) {
      usleep(1000);  // somebody else made the terminal non-blocking
      continue;
    }
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

void ProgressLine::show(std::string_view text) {
  if (!terminal_.can_overwrite()) return;
  const auto room = static_cast<std::size_t>(terminal_.columns() - 1);
  terminal_.write("\r\033[K" + terminal_.styled(Style::Dim, shortened(text, room)));
  shown_ = true;
}

void ProgressLine::hide() {
  if (!shown_) return;
  terminal_.write("\r\033[K");
  shown_ = false;
}

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (const char byte : text) width += is_continuation(byte) ? 0 : 1;
  return width;
}

std::string padded(std::string_view text, std::size_t width) {
  const std::size_t has = width_of(text);
  return std::string(text) + std::string(has < width ? width - has : 0, ' ');
}

std::string shortened(std::string_view text, std::size_t width) {
  if (width_of(text) <= width) return std::string(text);
  std::size_t at = 0;
  for (std::size_t shown = 0; at < text.size(); ++at) {
    if (is_continuation(text[at])) continue;
    if (++shown >= width) break;
  }
  return std::string(text.substr(0, at)) + "…";
}

std::string plain_duration(double seconds) {
  if (seconds < 60) return fmt::format("{:.2f} s", seconds);
  const auto whole = static_cast<long>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  if (whole < 48 * 3600) return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
  return fmt::format("{} days", whole / (24 * 3600));
}

std::string plain_bytes(std::uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  const double value = static_cast<double>(bytes);
  if (bytes < 1000 * 1000) return fmt::format("{:.1f} kB", value / 1e3);
  if (bytes < 1000ull * 1000 * 1000) return fmt::format("{:.1f} MB", value / 1e6);
  return fmt::format("{:.1f} GB", value / 1e9);
}

}  // namespace pyember::cli

#include "journal/output_log.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "base/limits.h"
#include "journal/journal_memory.h"
#include "journal/layout.h"

namespace pyember::journal {

namespace {

constexpr std::size_t kStageBytes = 64u << 10;  // a pipe holds as much

std::size_t bytes_in(int pipe) {
  int count = 0;
  return ioctl(pipe, FIONREAD, &count) == 0 && count > 0 ? static_cast<std::size_t>(count) : 0;
}

void empty(int pipe) {
  char discarded[4096];
  for (;;) {
    const ssize_t n = read(pipe, discarded, sizeof discarded);
    if (n == 0 || (n < 0 && errno != EINTR)) return;
  }
}

}  // namespace

OutputLog::OutputLog(JournalMemory& memory)
    : layout_(memory.layout()),
      staging_read_(memory.staging_read()),
      staging_write_(memory.staging_write()),
      direct_(staging_read_ < 0) {}

std::uint64_t OutputLog::end() const { return layout_.output.end; }

std::size_t OutputLog::pending() const {
  return static_cast<std::size_t>(end() - layout_.output.sent);
}

std::size_t OutputLog::room() {
  rewind();
  return kOutputAreaBytes - static_cast<std::size_t>(end() - layout_.output.base);
}

// When nothing is pending the area begins anew.
void OutputLog::rewind() {
  OutputState& output = layout_.output;
  if (output.sent != output.end || output.base == output.end) return;
  const std::size_t used = static_cast<std::size_t>(output.end - output.base);
  output.base = output.end.load();
  if (used > limits::kPendingOutputBytes / 8) clear(layout_.output_area, used);
}

void OutputLog::append(std::string_view line, std::string_view newline) {
  char* const begin = layout_.output_area + (end() - layout_.output.base);
  CHECK(begin + line.size() + newline.size() <= layout_.output_area + kOutputAreaBytes);
  // copy(): either may be empty and point nowhere, which memcpy() must not be given.
  std::copy(newline.begin(), newline.end(), std::copy(line.begin(), line.end(), begin));
  layout_.output.end = end() + line.size() + newline.size();
}

std::string_view OutputLog::from(std::uint64_t position) const {
  return {layout_.output_area + (position - layout_.output.base),
          static_cast<std::size_t>(end() - position)};
}

OutputLog::Sent OutputLog::send(int client) {
  while (layout_.output.sent < end()) {
    const Sent sent = direct_ ? send_directly(client) : send_staged(client);
    if (sent != Sent::All) return sent;
  }
  return Sent::All;
}

OutputLog::Sent OutputLog::send_directly(int client) {
  const std::string_view rest = from(layout_.output.sent);
  layout_.output.stage = 1;  // something is on its way, and nobody will know how much
  const ssize_t n = write(client, rest.data(), rest.size());
  if (n > 0) layout_.output.sent += static_cast<std::uint64_t>(n);
  layout_.output.stage = 0;
  if (n >= 0 || errno == EINTR) return Sent::All;
  return errno == EAGAIN ? Sent::Blocked : Sent::Failed;
}

OutputLog::Sent OutputLog::send_staged(int client) {
  if (staged_ == 0 && !stage()) return Sent::All;  // directly, then
  const ssize_t n = splice(staging_read_, nullptr, client, nullptr, staged_, SPLICE_F_NONBLOCK);
  if (n > 0) {
    staged_ -= static_cast<std::size_t>(n);
    if (staged_ == 0) layout_.output.sent = layout_.output.stage >> 1;
    return Sent::All;
  }
  if (n < 0 && errno == EAGAIN) return Sent::Blocked;
  if (n < 0 && errno == EINTR) return Sent::All;
  if (n < 0 && errno != EINVAL) return Sent::Failed;
  // The descriptor takes no splice. What it has taken before is gone from the pipe.
  const std::uint64_t staged_to = layout_.output.stage >> 1;
  layout_.output.sent = staged_to - staged_;
  stop_staging();
  return Sent::All;
}

// Fills the staging pipe, which is empty.
bool OutputLog::stage() {
  const std::string_view next = from(layout_.output.sent).substr(0, kStageBytes);
  const std::uint64_t up_to = layout_.output.sent + next.size();
  layout_.output.stage = up_to << 1;
  const ssize_t n = write(staging_write_, next.data(), next.size());
  if (n != static_cast<ssize_t>(next.size())) {
    // A pipe that is empty takes its capacity; one that was made small is no use.
    stop_staging();
    return false;
  }
  layout_.output.stage = up_to << 1 | 1;
  staged_ = next.size();
  return true;
}

void OutputLog::drop() {
  stop_staging();
  layout_.output.sent = end();
}

// What is in the pipe counts for nothing before it is emptied: we may be killed in between.
void OutputLog::stop_staging() {
  layout_.output.stage = 0;
  if (staging_read_ >= 0) empty(staging_read_);
  staged_ = 0;
  direct_ = true;
}

bool OutputLog::recover() {
  OutputState& output = layout_.output;
  const std::uint64_t staged_to = output.stage >> 1;
  const bool full = (output.stage & 1) != 0;
  bool known = true;
  if (staged_to == 0 && full) {
    known = false;
    output.sent = end();
  } else if (staged_to > output.sent && full) {
    // What is not in the pipe any more has arrived.
    const std::uint64_t filled = staged_to - output.sent;
    output.sent = staged_to - std::min<std::uint64_t>(bytes_in(staging_read_), filled);
  }
  stop_staging();
  direct_ = staging_read_ < 0;
  return known;
}

bool OutputLog::ends_within_line() const {
  const std::uint64_t length = end() - layout_.output.base;
  return length > 0 && layout_.output_area[length - 1] != '\n';
}

}  // namespace pyember::journal

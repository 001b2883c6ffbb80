#include "host/upstream/sse_parser.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/limits.h"

namespace pyember::host {

std::vector<SseEvent> SseParser::feed(std::string_view bytes) {
  std::vector<SseEvent> events;
  while (!bytes.empty() && !too_large_) {
    if (std::exchange(after_cr_, false) && bytes.front() == '\n') bytes.remove_prefix(1);
    const std::size_t end = bytes.find_first_of("\r\n");
    const std::string_view piece = bytes.substr(0, end);
    if (line_.size() + data_.size() + piece.size() > bound_) {
      too_large_ = true;
      break;
    }
    line_.append(piece);
    if (end == std::string_view::npos) break;
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    end_line(events);
  }
  return events;
}

void SseParser::begin_anew() {
  first_line_ = true;
  after_cr_ = false;
  line_.clear();
  type_.clear();
  data_.clear();
  has_data_ = false;
  id_ = last_event_id_;
}

void SseParser::end_line(std::vector<SseEvent>& events) {
  const std::string line = std::exchange(line_, {});
  std::string_view text = line;
  if (std::exchange(first_line_, false) && text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (text.empty()) return dispatch(events);
  const std::size_t colon = text.find(':');
  if (colon == 0) return;  // a comment: only keeps the connection alive
  std::string_view value =
      colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  take_field(text.substr(0, colon), value);
}

void SseParser::take_field(std::string_view name, std::string_view value) {
  if (name == "data") {
    if (std::exchange(has_data_, true)) data_ += '\n';
    data_ += value;
  } else if (name == "event") {
    type_ = value;
  } else if (name == "id") {
    if (value.size() <= limits::kSseIdBytes && value.find('\0') == std::string_view::npos) {
      id_ = value;
    }
  } else if (name == "retry") {
    std::uint32_t milliseconds = 0;
    const auto [end, failed] =
        std::from_chars(value.data(), value.data() + value.size(), milliseconds);
    if (failed == std::errc() && end == value.data() + value.size()) {
      retry_ = std::min(std::chrono::milliseconds(milliseconds), limits::kSseLongestRetry);
    }
  }
}

void SseParser::dispatch(std::vector<SseEvent>& events) {
  last_event_id_ = id_;
  has_data_ = false;
  SseEvent event{std::exchange(type_, {}), std::exchange(data_, {})};
  if (!event.data.empty()) events.push_back(std::move(event));
}

}  // namespace pyember::host

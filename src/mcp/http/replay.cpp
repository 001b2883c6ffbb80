#include "mcp/http/replay.h"

#include <algorithm>
#include <charconv>

namespace pyember::mcp {
namespace {

std::optional<std::uint64_t> read_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::string EventId::text() const { return std::to_string(stream) + '-' + std::to_string(number); }

std::optional<EventId> EventId::from(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto stream = read_number(text.substr(0, dash));
  const auto number = read_number(text.substr(dash + 1));
  if (!stream || !number) return std::nullopt;
  return EventId{*stream, *number};
}

Replay::Replay(std::size_t maximum_events, std::size_t maximum_bytes)
    : maximum_events_(maximum_events), maximum_bytes_(maximum_bytes) {}

void Replay::keep(EventId id, std::string_view event) {
  if (event.size() > maximum_bytes_) return;
  while (!events_.empty() &&
         (events_.size() >= maximum_events_ || bytes_ + event.size() > maximum_bytes_)) {
    bytes_ -= events_.front().event.size();
    events_.pop_front();
  }
  events_.push_back({id, std::string(event)});
  bytes_ += event.size();
}

void Replay::replay(EventId after,
                    const std::function<void(const std::string& event)>& each) const {
  for (const Kept& kept : events_) {
    if (kept.id.stream == after.stream && kept.id.number > after.number) each(kept.event);
  }
}

bool Replay::holds_after(EventId after) const {
  return std::any_of(events_.begin(), events_.end(), [after](const Kept& kept) {
    return kept.id.stream == after.stream && kept.id.number > after.number;
  });
}

}  // namespace pyember::mcp

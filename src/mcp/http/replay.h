#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pyember::mcp {

// Names an event of a session's streams, and by that what a client has seen (PROTOCOL: LEG-7).
struct EventId {
  std::uint64_t stream = 0;
  std::uint64_t number = 0;  // rises over all streams of a session

  std::string text() const;
  static std::optional<EventId> from(std::string_view text);
};

// The last events of a session, so that a client whose connection broke gets what it missed. The
// oldest are let go of when there are too many, or they are too large together; one that is larger
// than all may be is not kept.
class Replay {
 public:
  Replay(std::size_t maximum_events, std::size_t maximum_bytes);

  void keep(EventId id, std::string_view event);
  // Those of a stream behind `after`, in their order.
  void replay(EventId after, const std::function<void(const std::string& event)>& each) const;
  bool holds_after(EventId after) const;  // whether there is one

  std::size_t bytes() const { return bytes_; }

 private:
  struct Kept {
    EventId id;
    std::string event;
  };

  const std::size_t maximum_events_;
  const std::size_t maximum_bytes_;
  std::deque<Kept> events_;
  std::size_t bytes_ = 0;
};

}  // namespace pyember::mcp

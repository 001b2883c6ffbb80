#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pyember::host {

// One event of a stream of server-sent events.
struct SseEvent {
  std::string type;  // empty: none was given, which means "message"
  std::string data;  // its lines, joined by '\n'; never empty
};

// Takes a text/event-stream apart, in whatever pieces it comes. Line ends may be LF, CRLF or CR;
// comments are skipped. Holds at most one event, of `bound` bytes.
class SseParser {
 public:
  explicit SseParser(std::size_t bound) : bound_(bound) {}

  // The events that these bytes complete. Nothing more is parsed once one was above the bound.
  std::vector<SseEvent> feed(std::string_view bytes);
  bool too_large() const { return too_large_; }

  // For going on after the stream broke: the id of the last event that was complete (its data may
  // have been empty), and how long the server wants us to wait.
  const std::string& last_event_id() const { return last_event_id_; }
  std::optional<std::chrono::milliseconds> retry() const { return retry_; }

  // What follows is another stream, which goes on where this one broke.
  void begin_anew();

 private:
  void end_line(std::vector<SseEvent>& events);
  void take_field(std::string_view name, std::string_view value);
  void dispatch(std::vector<SseEvent>& events);

  const std::size_t bound_;
  bool too_large_ = false;
  bool first_line_ = true;  // may begin with a byte order mark
  bool after_cr_ = false;   // an LF that follows belongs to it
  std::string line_;
  std::string type_;
  std::string data_;
  bool has_data_ = false;
  std::string id_;  // of the event that is being read, and of those after it
  std::string last_event_id_;
  std::optional<std::chrono::milliseconds> retry_;
};

}  // namespace pyember::host

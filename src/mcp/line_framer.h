#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pyember::mcp {

// Cuts a stream of bytes into lines. A line that arrives whole is handed on without a copy; one
// that arrives in pieces is gathered up to the bound. A longer one is never held: only its first
// and last bytes are kept, so that the receiver can still say which request it was.
//
// Blank lines are skipped, a carriage return before the newline is taken off. Bytes that are not
// UTF-8 are the parser's affair.
class LineFramer {
 public:
  class Receiver {
   public:
    virtual ~Receiver() = default;
    virtual void line(std::string_view text) = 0;
    // Called when the end of the line was seen.
    virtual void overlong_line(std::string_view beginning, std::string_view end) = 0;
  };

  static constexpr std::size_t kKeptOfOverlong = 4096;  // at each end; an id is far shorter

  LineFramer(std::size_t maximum_bytes, Receiver& receiver);

  // Begins in the middle of a stream: at a line's beginning, or in a line that is too long, of
  // which the beginning is known.
  void begin_at(std::uint64_t position, std::string_view overlong_beginning);
  void receive(std::string_view bytes);
  // The stream is over: what has come since the last newline is a line too.
  void receive_end();

  // How many bytes of the stream have come up to the end of the line that is being delivered.
  std::uint64_t position() const { return position_; }
  std::size_t held_bytes() const { return held_.size() + end_.size(); }

 private:
  void gather(std::string_view piece);
  void keep_end(std::string_view piece);
  void finish_held();
  void deliver(std::string_view text);

  const std::size_t maximum_bytes_;
  Receiver& receiver_;
  std::string held_;  // the line so far; of an overlong one its beginning
  std::string end_;   // of an overlong line: its last bytes
  std::uint64_t position_ = 0;
  bool overlong_ = false;
};

}  // namespace pyember::mcp

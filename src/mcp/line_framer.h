#pragma once

#include <cstddef>
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

  void receive(std::string_view bytes);
  // The stream is over: what has come since the last newline is a line too.
  void receive_end();

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
  bool overlong_ = false;
};

}  // namespace pyember::mcp

#pragma once

#include <string>
#include <string_view>

namespace pyember::cli {

enum class Style { Plain, Bold, Dim, Red, Green, Yellow, Cyan };

// One of the process's output streams, and what may be written to it: colours only on a terminal
// that knows them, and never with NO_COLOR or TERM=dumb.
class Terminal {
 public:
  static Terminal out();
  static Terminal err();
  explicit Terminal(int fd);

  bool is_terminal() const { return terminal_; }
  bool can_overwrite() const { return capable_; }  // a line may be drawn anew in place
  int columns() const;
  std::string styled(Style style, std::string_view text) const;

  // Everything at once, without a buffer; false when nobody reads any more.
  bool write(std::string_view text) const;
  bool write_line(std::string_view text) const { return write(std::string(text) + "\n"); }

 private:
  int fd_;
  bool terminal_;
  bool capable_;
  bool coloured_;
};

// A line at the bottom of the terminal that says what goes on, drawn anew in place. In a pipe it
// is never drawn. What else is written to the same screen goes between hide() and the next show().
class ProgressLine {
 public:
  explicit ProgressLine(const Terminal& terminal) : terminal_(terminal) {}
  ~ProgressLine() { hide(); }
  void show(std::string_view text);
  void hide();

 private:
  const Terminal& terminal_;
  bool shown_ = false;
};

// Characters a terminal shows for UTF-8 text; enough for aligning what we write ourselves.
std::size_t width_of(std::string_view text);
std::string padded(std::string_view text, std::size_t width);
// Cut to `width` with an ellipsis.
std::string shortened(std::string_view text, std::size_t width);
std::string plain_duration(double seconds);  // "0.42 s", "3 min 20 s"
std::string plain_bytes(std::uint64_t bytes);

}  // namespace pyember::cli

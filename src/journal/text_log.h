#pragma once

#include <string_view>

namespace pyember::journal {

struct TextState;

// A text that is replaced as a whole: either the old or the new one is found, never a mixture.
class TextLog {
 public:
  explicit TextLog(TextState& state) : state_(state) {}

  // At most kTextBytes bytes; false and unchanged when it is longer.
  bool write(std::string_view text);
  std::string_view read() const;  // empty when there was none

 private:
  TextState& state_;
};

}  // namespace pyember::journal

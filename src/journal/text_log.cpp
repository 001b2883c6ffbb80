#include "journal/text_log.h"

#include <algorithm>
#include <cstring>

#include "journal/layout.h"

namespace pyember::journal {

bool TextLog::write(std::string_view text) {
  if (text.size() > sizeof state_.text[0]) return false;
  const std::uint64_t next = state_.current == 1 ? 1 : 0;
  if (!text.empty()) std::memcpy(state_.text[next], text.data(), text.size());
  state_.size[next] = text.size();
  state_.current = next + 1;
  return true;
}

std::string_view TextLog::read() const {
  const std::uint64_t current = state_.current;
  if (current == 0 || current > 2) return {};
  return {state_.text[current - 1], std::min(state_.size[current - 1], sizeof state_.text[0])};
}

}  // namespace pyember::journal

#include "journal/input_log.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/limits.h"
#include "journal/journal_memory.h"
#include "journal/layout.h"

namespace pyember::journal {

InputLog::InputLog(Layout& layout) : layout_(layout) {}

char* InputLog::area() const { return layout_.input_areas[layout_.input.place & 1]; }
std::uint64_t InputLog::base() const { return layout_.input.place >> 1; }
std::uint64_t InputLog::read_to() const { return layout_.input.read_to; }
std::uint64_t InputLog::parsed_to() const { return layout_.input.parsed_to; }

std::span<char> InputLog::room() {
  std::size_t used = read_to() - base();
  if (read_to() == parsed_to() && used > 0) {
    // Cleared first: until the area begins anew nobody looks at what lies before read_to.
    clear(area(), used);
    layout_.input.place = read_to() << 1 | (layout_.input.place & 1);
    used = 0;
  }
  if (used + limits::kReadChunkBytes > kInputAreaBytes) {
    if (read_to() - parsed_to() + limits::kReadChunkBytes > kInputAreaBytes) return {};
    change_area();
    used = read_to() - base();
  }
  return {area() + used, limits::kReadChunkBytes};
}

// What is unparsed goes to the beginning of the other area, which is zero.
void InputLog::change_area() {
  char* const old = area();
  const std::size_t used = read_to() - base();
  const std::string_view kept = unparsed();
  const std::uint64_t other = ~layout_.input.place.load() & 1;
  if (!kept.empty()) std::memcpy(layout_.input_areas[other], kept.data(), kept.size());
  layout_.input.place = parsed_to() << 1 | other;
  clear(old, used);
}

std::string_view InputLog::add(std::size_t size) {
  const char* const begin = area() + (read_to() - base());
  CHECK(begin + size <= area() + kInputAreaBytes);
  layout_.input.read_to = read_to() + size;
  return {begin, size};
}

void InputLog::parsed(std::uint64_t position) {
  CHECK(position <= read_to());
  if (position <= parsed_to()) return;
  layout_.input.parsed_to = position;
  if (layout_.input.overlong != 0) layout_.input.overlong = 0;
}

void InputLog::skip() {
  if (layout_.input.overlong == 0) {
    const std::size_t size = std::min(unparsed().size(), sizeof layout_.input.beginning);
    std::memcpy(layout_.input.beginning, unparsed().data(), size);
    layout_.input.overlong = size;
  }
  layout_.input.parsed_to = read_to();
}

void InputLog::recover() {
  const std::size_t used = read_to() - base();
  const std::size_t most = std::min(kInputAreaBytes - used, limits::kReadChunkBytes);
  const std::string_view behind(area() + used, most);
  const std::size_t last = behind.find_last_not_of('\0');
  if (last != std::string_view::npos) layout_.input.read_to = read_to() + last + 1;
  // The other area may have been left half copied or half cleared.
  clear(layout_.input_areas[~layout_.input.place.load() & 1], kInputAreaBytes);
}

std::string_view InputLog::from(std::uint64_t position) const {
  CHECK(position >= base() && position <= read_to());
  return {area() + (position - base()), static_cast<std::size_t>(read_to() - position)};
}

std::string_view InputLog::overlong_beginning() const {
  return {layout_.input.beginning, static_cast<std::size_t>(layout_.input.overlong)};
}

}  // namespace pyember::journal

#include "base/utf8.h"

#include <algorithm>

namespace pyember::utf8 {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

unsigned char byte_at(std::string_view text, std::size_t position) {
  return static_cast<unsigned char>(text[position]);
}

bool continues(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// What a lead byte announces: how many bytes, and the range of the second one (which is what rules
// out overlong forms, surrogates and code points above U+10FFFF). length 0: not a lead byte.
struct Lead {
  std::size_t length;
  unsigned char second_low = 0x80;
  unsigned char second_high = 0xBF;
};

Lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {1};
  if (byte < 0xC2) return {0};
  if (byte < 0xE0) return {2};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0};
}

// How many of the announced bytes are there and fit.
std::size_t matching_bytes(std::string_view text, std::size_t position, const Lead& lead) {
  std::size_t count = 1;
  while (count < lead.length && position + count < text.size()) {
    const unsigned char byte = byte_at(text, position + count);
    const bool fits =
        count == 1 ? byte >= lead.second_low && byte <= lead.second_high : continues(byte);
    if (!fits) break;
    ++count;
  }
  return count;
}

}  // namespace

Step step(std::string_view text, std::size_t position) {
  const Lead lead = lead_of(byte_at(text, position));
  if (lead.length <= 1) return {1, lead.length == 1};
  const std::size_t count = matching_bytes(text, position, lead);
  return {count, count == lead.length};
}

std::size_t valid_prefix(std::string_view text) {
  std::size_t position = 0;
  while (position < text.size()) {
    if (byte_at(text, position) < 0x80) {
      ++position;
      continue;
    }
    const Step here = step(text, position);
    if (!here.valid) break;
    position += here.length;
  }
  return position;
}

bool is_valid(std::string_view text) { return valid_prefix(text) == text.size(); }

void append_repaired(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t good = valid_prefix(text);
    out.append(text.substr(0, good));
    if (good == text.size()) return;
    out.append(kReplacement);
    text.remove_prefix(good + step(text, good).length);
  }
}

std::string repaired(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  append_repaired(out, text);
  return out;
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return !continues(static_cast<unsigned char>(c)); }));
}

std::string_view head(std::string_view text, std::size_t characters) {
  std::size_t position = 0;
  for (; position < text.size(); ++position) {
    if (continues(byte_at(text, position))) continue;
    if (characters == 0) break;
    --characters;
  }
  return text.substr(0, position);
}

std::string_view tail(std::string_view text, std::size_t characters) {
  std::size_t position = text.size();
  while (characters > 0 && position > 0) {
    --position;
    if (!continues(byte_at(text, position))) --characters;
  }
  return text.substr(position);
}

std::size_t incomplete_suffix(std::string_view text) {
  const std::size_t furthest = std::min<std::size_t>(3, text.size());
  for (std::size_t back = 1; back <= furthest; ++back) {
    const std::size_t position = text.size() - back;
    if (continues(byte_at(text, position))) continue;
    const Lead lead = lead_of(byte_at(text, position));
    const bool waits = lead.length > back && matching_bytes(text, position, lead) == back;
    return waits ? back : 0;
  }
  return 0;
}

}  // namespace pyember::utf8

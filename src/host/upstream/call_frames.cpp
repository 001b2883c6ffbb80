#include "host/upstream/call_frames.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/limits.h"

namespace pyember::host {

namespace {

constexpr std::size_t kLengthBytes = 4;
// A buffer that held a large frame is not kept for the small ones that follow.
constexpr std::size_t kKeptBytes = 256u << 10;

std::size_t length_at(std::string_view text) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    length |= static_cast<std::size_t>(static_cast<unsigned char>(text[i])) << (8 * i);
  }
  return length;
}

// A frame whose length is filled in when it is whole.
std::string begun(std::uint64_t id) {
  std::string frame(kLengthBytes, '\0');
  fmt::format_to(std::back_inserter(frame), "{{\"id\":{},", id);
  return frame;
}

std::string ended(std::string frame) {
  frame.push_back('}');
  const std::size_t length = frame.size() - kLengthBytes;
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    frame[i] = static_cast<char>((length >> (8 * i)) & 0xff);
  }
  return frame;
}

void append_number(std::string& out, double number) {
  if (std::isfinite(number)) {
    fmt::format_to(std::back_inserter(out), "{}", number);
  } else {
    out += "null";
  }
}

}  // namespace

void CallFrameReader::add(std::string_view piece) {
  if (begin_ == held_.size()) {
    held_.clear();
    begin_ = 0;
    if (held_.capacity() > kKeptBytes) held_.shrink_to_fit();
  } else if (begin_ > held_.size() / 2) {
    held_.erase(0, begin_);
    begin_ = 0;
  }
  held_ += piece;
}

Result<std::optional<std::string_view>> CallFrameReader::next() {
  const std::string_view rest = std::string_view(held_).substr(begin_);
  if (rest.size() < kLengthBytes) return std::optional<std::string_view>();
  const std::size_t length = length_at(rest);
  if (length > limits::kMaximumCallFrame) {
    return Error{ErrorCode::LimitReached,
                 fmt::format("a frame of {} bytes is beyond its bound", length)};
  }
  if (rest.size() < kLengthBytes + length) return std::optional<std::string_view>();
  begin_ += kLengthBytes + length;
  return std::optional(rest.substr(kLengthBytes, length));
}

std::uint64_t id_in_front(std::string_view text) {
  constexpr std::string_view kFront = "{\"id\":";
  std::uint64_t id = 0;
  if (!text.starts_with(kFront)) return 0;
  text.remove_prefix(kFront.size());
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), id);
  const bool whole = failed == std::errc() && end != text.data() + text.size() && *end == ',';
  return whole && id <= limits::kMaximumCallId ? id : 0;
}

std::string value_frame(std::uint64_t id, std::string_view value) {
  std::string frame = begun(id);
  frame.reserve(frame.size() + value.size() + 32);
  frame += "\"ok\":true,\"value\":";
  frame += value;
  return ended(std::move(frame));
}

std::string error_frame(std::uint64_t id, const CallError& error) {
  std::string frame = begun(id);
  frame += "\"ok\":false,\"error\":{\"kind\":";
  mcp::append_json_string(frame, error.kind);
  frame += ",\"message\":";
  mcp::append_json_string(frame, error.message);
  if (!error.result.is_null()) {
    frame += ",\"result\":";
    mcp::append_json(frame, error.result);
  }
  frame.push_back('}');
  return ended(std::move(frame));
}

std::string progress_frame(std::uint64_t id, double done, std::optional<double> total,
                           std::string_view message) {
  std::string frame = begun(id);
  frame += "\"progress\":[";
  append_number(frame, done);
  frame.push_back(',');
  append_number(frame, total.value_or(NAN));
  frame.push_back(',');
  if (message.empty()) {
    frame += "null";
  } else {
    mcp::append_json_string(frame, message);
  }
  frame.push_back(']');
  return ended(std::move(frame));
}

}  // namespace pyember::host

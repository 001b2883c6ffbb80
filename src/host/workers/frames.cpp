#include "host/workers/frames.h"

#include <fmt/format.h>

#include <cstdint>

#include "base/check.h"
#include "base/limits.h"

namespace pyember::host {

namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kLengthsBytes = 2 * kLengthBytes;
// A buffer that held a large frame is not kept for the small ones that follow.
constexpr std::size_t kKeptBytes = 256u << 10;

void append_length(std::string& out, std::size_t length) {
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    out.push_back(static_cast<char>((length >> (8 * i)) & 0xff));
  }
}

std::size_t length_at(std::string_view text) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    length |= static_cast<std::size_t>(static_cast<unsigned char>(text[i])) << (8 * i);
  }
  return length;
}

}  // namespace

void append_frame_head(std::string& out, std::string_view header, std::size_t body_bytes) {
  CHECK(header.size() <= limits::kWorkerHeaderBytes && body_bytes <= limits::kWorkerBodyBytes);
  append_length(out, header.size());
  append_length(out, body_bytes);
  out += header;
}

void FrameReader::add(std::string_view piece) {
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

Result<bool> FrameReader::next(Frame& frame) {
  const std::string_view rest = std::string_view(held_).substr(begin_);
  if (rest.size() < kLengthsBytes) return false;
  const std::size_t header = length_at(rest);
  const std::size_t body = length_at(rest.substr(kLengthBytes));
  if (header > limits::kWorkerHeaderBytes || body > limits::kWorkerBodyBytes) {
    return Error{ErrorCode::LimitReached,
                 fmt::format("a frame of {} and {} bytes is beyond its bounds", header, body)};
  }
  if (rest.size() < kLengthsBytes + header + body) return false;
  frame.header.assign(rest, kLengthsBytes, header);
  frame.body.assign(rest, kLengthsBytes + header, body);
  begin_ += kLengthsBytes + header + body;
  return true;
}

}  // namespace pyember::host

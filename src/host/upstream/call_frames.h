#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "host/upstream/call_service.h"

// The frames of the calls channel: a length of 32 bits, little-endian, and JSON text.
namespace pyember::host {

// Puts frames together from pieces as they arrive. What it holds grows with what has come, never
// with what a length promises.
class CallFrameReader {
 public:
  void add(std::string_view piece);
  // The text of the next one, valid until the next add(); nullopt: more must come. An error when a
  // length is beyond limits::kMaximumCallFrame: the stream is of no use then.
  Result<std::optional<std::string_view>> next();

 private:
  std::string held_;
  std::size_t begin_ = 0;  // of the first frame that was not given out
};

// The id of a frame whose text can't be parsed, if it begins as it must; 0: it doesn't.
std::uint64_t id_in_front(std::string_view text);

// Whole frames to the session.
std::string value_frame(std::uint64_t id, std::string_view value);  // `value`: JSON text
std::string error_frame(std::uint64_t id, const CallError& error);
std::string progress_frame(std::uint64_t id, double done, std::optional<double> total,
                           std::string_view message);

}  // namespace pyember::host

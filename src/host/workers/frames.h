#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pyember::host {

// One message of the wire between server and worker (docs/workers.md): two little-endian lengths of
// 32 bits, a header (JSON) and a body.
struct Frame {
  std::string header;
  std::string body;
};

// Appends what stands before the body on the wire; the body follows as it is.
void append_frame_head(std::string& out, std::string_view header, std::size_t body_bytes);

// Puts frames together from pieces as they arrive. What it holds grows with what has come, never
// with what a length promises.
class FrameReader {
 public:
  void add(std::string_view piece);
  // True: `frame` holds the next one. False: more must come. An error when a length is beyond its
  // bound; the stream is of no use then.
  Result<bool> next(Frame& frame);

 private:
  std::string held_;
  std::size_t begin_ = 0;  // of the first frame that was not given out
};

}  // namespace pyember::host

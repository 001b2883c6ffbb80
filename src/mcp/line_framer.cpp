#include "mcp/line_framer.h"

#include <algorithm>

namespace pyember::mcp {
namespace {

// Above this the buffer of a finished line is given back instead of kept for the next one.
constexpr std::size_t kKeptCapacity = 256u << 10;

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

LineFramer::LineFramer(std::size_t maximum_bytes, Receiver& receiver)
    : maximum_bytes_(maximum_bytes), receiver_(receiver) {}

void LineFramer::begin_at(std::uint64_t position, std::string_view overlong_beginning) {
  position_ = position;
  held_ = overlong_beginning;
  overlong_ = !overlong_beginning.empty();
}

void LineFramer::receive(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t newline = bytes.find('\n');
    if (newline == std::string_view::npos) {
      position_ += bytes.size();
      gather(bytes);
      return;
    }
    const std::string_view piece = bytes.substr(0, newline);
    bytes.remove_prefix(newline + 1);
    position_ += newline + 1;
    if (held_.empty() && !overlong_ && piece.size() <= maximum_bytes_) {
      deliver(piece);
    } else {
      gather(piece);
      finish_held();
    }
  }
}

void LineFramer::receive_end() { finish_held(); }

void LineFramer::gather(std::string_view piece) {
  if (overlong_) {
    keep_end(piece);
  } else if (held_.size() + piece.size() <= maximum_bytes_) {
    held_.append(piece);
  } else {
    overlong_ = true;
    keep_end(held_);
    keep_end(piece);
    held_.append(piece.substr(0, kKeptOfOverlong));
    held_.resize(std::min(held_.size(), kKeptOfOverlong));
    held_.shrink_to_fit();
  }
}

void LineFramer::keep_end(std::string_view piece) {
  end_.append(piece.substr(piece.size() - std::min(piece.size(), kKeptOfOverlong)));
  if (end_.size() > kKeptOfOverlong) end_.erase(0, end_.size() - kKeptOfOverlong);
}

void LineFramer::finish_held() {
  if (overlong_) {
    receiver_.overlong_line(held_, end_);
    overlong_ = false;
    end_.clear();
  } else if (!held_.empty()) {
    deliver(held_);
  }
  held_.clear();
  if (held_.capacity() > kKeptCapacity) held_.shrink_to_fit();
}

void LineFramer::deliver(std::string_view text) {
  if (is_blank(text)) return;
  if (text.back() == '\r') text.remove_suffix(1);
  receiver_.line(text);
}

}  // namespace pyember::mcp

#include "host/output/output_buffer.h"

#include <algorithm>

#include "base/limits.h"
#include "base/utf8.h"

namespace pyember::host {

namespace {

// Counts code points in a stream that arrives in pieces: every byte that does not continue one.
std::uint64_t count_starts(std::string_view bytes) {
  std::uint64_t count = 0;
  for (const char byte : bytes) count += (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
  return count;
}

}  // namespace

void OutputBuffer::append(std::string_view bytes) {
  if (bytes.empty()) return;
  size_ += bytes.size();
  characters_ += count_starts(bytes);
  last_byte_ = bytes.back();
  memory_.append(bytes);
  if (!full_) {
    if (memory_.size() >= limits::kOutputMemoryBytes) spill();
  } else if (memory_.size() > 2 * limits::kOutputTailBytes) {
    memory_.erase(0, memory_.size() - limits::kOutputTailBytes);
  }
}

void OutputBuffer::hold_no_more() {
  if (full_) return;
  spill();
  full_ = true;
}

void OutputBuffer::spill() {
  if (full_ || memory_.empty()) return;
  if (!file_.append(memory_, spilled_)) {
    full_ = true;  // the disk refuses: keep the tail, count the rest
    if (memory_.size() > limits::kOutputTailBytes) {
      memory_.erase(0, memory_.size() - limits::kOutputTailBytes);
    }
    return;
  }
  spilled_size_ += memory_.size();
  memory_.clear();
  memory_.shrink_to_fit();
}

std::string OutputBuffer::read(std::uint64_t offset, std::size_t limit) const {
  std::string out;
  if (offset < spilled_size_) {
    const auto part = std::min<std::uint64_t>(limit, spilled_size_ - offset);
    if (!file_.read(spilled_, offset, static_cast<std::size_t>(part), out)) return out;
    offset += part;
    limit -= static_cast<std::size_t>(part);
    if (lost() > 0) return out;
  }
  const std::uint64_t memory_start = size_ - memory_.size();
  if (limit == 0 || offset < memory_start || offset >= size_) return out;
  out.append(memory_, static_cast<std::size_t>(offset - memory_start), limit);
  return out;
}

std::string OutputBuffer::head(std::size_t count) const {
  // A character has four bytes at most.
  const std::string bytes = read(0, static_cast<std::size_t>(std::min<std::uint64_t>(
                                        4 * static_cast<std::uint64_t>(count), head_size())));
  return std::string(utf8::head(bytes, count));
}

std::string OutputBuffer::tail(std::size_t count) const {
  const std::uint64_t wanted = 4 * static_cast<std::uint64_t>(count) + 4;
  std::uint64_t start = size_ > wanted ? size_ - wanted : 0;
  if (lost() > 0) start = std::max(start, tail_start());
  const std::string bytes = read(start, static_cast<std::size_t>(size_ - start));
  return std::string(utf8::tail(bytes, count));
}

}  // namespace pyember::host

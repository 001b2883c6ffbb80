#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/output/spill_file.h"

namespace pyember::host {

// What one cell wrote to one stream. The newest part is in memory; from
// limits::kOutputMemoryBytes on, full pieces go to the session's spill file. Any range that is
// held can be read. When its owner allows no more bytes (hold_no_more), the beginning and the last
// limits::kOutputTailBytes stay, and what lies between is counted but lost.
//
// Loop's thread only; the spill file outlives it.
class OutputBuffer {
 public:
  explicit OutputBuffer(SpillFile& file) : file_(file) {}
  ~OutputBuffer() { file_.release(spilled_); }
  OutputBuffer(const OutputBuffer&) = delete;
  OutputBuffer& operator=(const OutputBuffer&) = delete;

  void append(std::string_view bytes);
  // From now on nothing more is added to the beginning that is held; see above.
  void hold_no_more();
  // Moves what is in memory to the file.
  void spill();

  std::uint64_t size() const { return size_; }              // bytes ever written
  std::uint64_t characters() const { return characters_; }  // of them, code points
  std::uint64_t lost() const { return tail_start() - head_size(); }
  std::uint64_t head_size() const { return spilled_size_ + (full_ ? 0 : memory_.size()); }
  std::uint64_t tail_start() const { return full_ ? size_ - memory_.size() : head_size(); }
  std::uint64_t held() const { return size_ - lost(); }
  std::size_t in_memory() const { return memory_.size(); }
  bool ends_with_newline() const { return size_ == 0 || last_byte_ == '\n'; }

  // Up to `limit` bytes from `offset` on. Fewer when the end, or what was lost, comes first; none
  // when `offset` is past the end or inside what was lost.
  std::string read(std::uint64_t offset, std::size_t limit) const;

  // The first / last `count` characters of what is held, cut at character boundaries.
  std::string head(std::size_t count) const;
  std::string tail(std::size_t count) const;

 private:
  SpillFile& file_;
  std::vector<SpillFile::Extent> spilled_;
  std::uint64_t spilled_size_ = 0;
  std::string memory_;  // follows the spilled part; once full_, the tail
  std::uint64_t size_ = 0;
  std::uint64_t characters_ = 0;
  bool full_ = false;
  char last_byte_ = '\n';
};

}  // namespace pyember::host

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "embed/execution.h"
#include "host/output/output_buffer.h"

namespace pyember::host {

enum class Stream { Stdout, Stderr };

constexpr const char* to_string(Stream stream) {
  return stream == Stream::Stdout ? "stdout" : "stderr";
}

// The two streams of one cell.
class CellOutput {
 public:
  explicit CellOutput(SpillFile& file) : stdout_(file), stderr_(file) {}

  OutputBuffer& of(Stream stream) { return stream == Stream::Stdout ? stdout_ : stderr_; }
  const OutputBuffer& of(Stream stream) const {
    return stream == Stream::Stdout ? stdout_ : stderr_;
  }
  std::uint64_t held() const { return stdout_.held() + stderr_.held(); }
  std::size_t in_memory() const { return stdout_.in_memory() + stderr_.in_memory(); }

  // An answer did not show all of it: the resource list names it.
  bool listed[2] = {false, false};
  // The stream begins with what came after the cell before had ended, and nothing of this cell has
  // come since.
  bool late_open[2] = {false, false};
  bool begins_late = false;

 private:
  OutputBuffer stdout_;
  OutputBuffer stderr_;
};

// The output of one session's cells, by cell number. Holds at most `held_limit` bytes in all, most
// of them on disk: the oldest cells' output is dropped first, and dropped() says of which. Loop's
// thread only.
class OutputStore {
 public:
  explicit OutputStore(std::uint64_t held_limit) : held_limit_(held_limit) {}

  void append(embed::CellNumber number, Stream stream, std::string_view bytes);
  // What came while no cell ran, after cell `after` had ended: it goes before the output of the
  // cell that comes next, between two marks.
  void append_late(embed::CellNumber next, embed::CellNumber after, Stream stream,
                   std::string_view bytes);

  // Null when the cell wrote nothing, or when its output was dropped.
  CellOutput* find(embed::CellNumber number);
  const CellOutput* find(embed::CellNumber number) const;
  const std::map<embed::CellNumber, std::unique_ptr<CellOutput>>& cells() const { return cells_; }

  // Output of this cell and of those before it may have been dropped; 0: none was.
  embed::CellNumber dropped_up_to() const { return dropped_up_to_; }
  std::uint64_t held() const { return held_; }
  std::uint64_t held_limit() const { return held_limit_; }

 private:
  CellOutput& cell(embed::CellNumber number);
  void write(CellOutput& output, embed::CellNumber number, Stream stream, std::string_view bytes);
  void drop_oldest();
  void make_room(embed::CellNumber number);
  void spill_older(embed::CellNumber number);

  const std::uint64_t held_limit_;
  SpillFile file_;  // outlives the buffers that use it
  std::map<embed::CellNumber, std::unique_ptr<CellOutput>> cells_;
  std::uint64_t held_ = 0;
  std::size_t in_memory_ = 0;
  embed::CellNumber dropped_up_to_ = 0;
};

}  // namespace pyember::host

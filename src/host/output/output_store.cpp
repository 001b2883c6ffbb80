#include "host/output/output_store.h"

#include <fmt/format.h>

#include "base/limits.h"

namespace pyember::host {

void OutputStore::append(embed::CellNumber number, Stream stream, std::string_view bytes) {
  if (bytes.empty()) return;
  CellOutput& output = cell(number);
  bool& late = output.late_open[static_cast<int>(stream)];
  if (late) {
    late = false;
    write(output, number, stream,
          fmt::format("{}[cell {}]\n", output.of(stream).ends_with_newline() ? "" : "\n", number));
  }
  write(output, number, stream, bytes);
}

void OutputStore::append_late(embed::CellNumber next, embed::CellNumber after, Stream stream,
                              std::string_view bytes) {
  if (bytes.empty()) return;
  CellOutput& output = cell(next);
  if (output.of(stream).size() == 0) {
    output.late_open[static_cast<int>(stream)] = true;
    output.begins_late = true;
    write(output, next, stream, fmt::format("[printed after cell {} had ended]\n", after));
  }
  write(output, next, stream, bytes);
}

CellOutput* OutputStore::find(embed::CellNumber number) {
  const auto found = cells_.find(number);
  return found == cells_.end() ? nullptr : found->second.get();
}

const CellOutput* OutputStore::find(embed::CellNumber number) const {
  const auto found = cells_.find(number);
  return found == cells_.end() ? nullptr : found->second.get();
}

CellOutput& OutputStore::cell(embed::CellNumber number) {
  std::unique_ptr<CellOutput>& output = cells_[number];
  if (!output) {
    output = std::make_unique<CellOutput>(file_);
    while (cells_.size() > limits::kHeldCells && cells_.begin()->first != number) drop_oldest();
  }
  return *output;
}

void OutputStore::write(CellOutput& output, embed::CellNumber number, Stream stream,
                        std::string_view bytes) {
  held_ -= output.held();
  in_memory_ -= output.in_memory();
  output.of(stream).append(bytes);
  held_ += output.held();
  in_memory_ += output.in_memory();
  if (held_ > held_limit_) make_room(number);
  if (in_memory_ > 2 * limits::kOutputMemoryBytes) spill_older(number);
}

void OutputStore::drop_oldest() {
  const auto oldest = cells_.begin();
  held_ -= oldest->second->held();
  in_memory_ -= oldest->second->in_memory();
  dropped_up_to_ = oldest->first;
  cells_.erase(oldest);
}

void OutputStore::make_room(embed::CellNumber number) {
  while (held_ > held_limit_ && cells_.begin()->first < number) drop_oldest();
  if (held_ <= held_limit_) return;
  // This cell alone is over the limit: keep how it began and how it goes on.
  CellOutput& output = *cells_.at(number);
  held_ -= output.held();
  in_memory_ -= output.in_memory();
  output.of(Stream::Stdout).hold_no_more();
  output.of(Stream::Stderr).hold_no_more();
  held_ += output.held();
  in_memory_ += output.in_memory();
}

void OutputStore::spill_older(embed::CellNumber number) {
  for (auto& [other, output] : cells_) {
    if (other == number || output->in_memory() == 0) continue;
    in_memory_ -= output->in_memory();
    held_ -= output->held();
    output->of(Stream::Stdout).spill();
    output->of(Stream::Stderr).spill();
    held_ += output->held();
    in_memory_ += output->in_memory();
    if (in_memory_ <= limits::kOutputMemoryBytes) return;
  }
  // Only where the disk refuses: what could not be moved there must not pile up here.
  while (in_memory_ > 4 * limits::kOutputMemoryBytes && cells_.begin()->first < number) {
    drop_oldest();
  }
}

}  // namespace pyember::host

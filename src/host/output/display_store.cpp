#include "host/output/display_store.h"

#include <fmt/format.h>

#include <utility>

namespace pyember::host {

namespace {

constexpr std::string_view kFullRole = ";role=full";  // mcp_runtime/displays.py
constexpr std::size_t kItemBytes = 256;               // what an empty one takes

std::size_t bytes_of(const DisplayStore::OfCell& displays) {
  std::size_t bytes = 0;
  for (const StoredDisplay& display : displays) bytes += display.data.size() + kItemBytes;
  return bytes;
}

StoredDisplay stored(embed::Display display) {
  StoredDisplay stored;
  stored.only_linked = display.mime.ends_with(kFullRole);
  stored.mime = display.mime.substr(0, display.mime.find(';'));
  stored.data = std::move(display.data);
  return stored;
}

}  // namespace

void DisplayStore::keep(embed::CellNumber cell, std::vector<embed::Display> displays) {
  if (displays.empty()) return;
  OfCell& kept = cells_[cell];
  kept.reserve(displays.size());
  for (embed::Display& display : displays) kept.push_back(stored(std::move(display)));
  held_ += bytes_of(kept);
  while (held_ > held_limit_ && cells_.size() > 1) {
    const auto oldest = cells_.begin();
    held_ -= bytes_of(oldest->second);
    dropped_up_to_ = oldest->first;
    cells_.erase(oldest);
  }
}

const DisplayStore::OfCell* DisplayStore::find(embed::CellNumber cell) const {
  const auto found = cells_.find(cell);
  return found == cells_.end() ? nullptr : &found->second;
}

const StoredDisplay* DisplayStore::find(embed::CellNumber cell, Number number) const {
  const OfCell* displays = find(cell);
  if (displays == nullptr || number == 0 || number > displays->size()) return nullptr;
  return &(*displays)[number - 1];
}

std::string display_uri(const std::string& session, embed::CellNumber cell,
                        DisplayStore::Number number) {
  return fmt::format("{}{}/{}/{}", kDisplayScheme, session, cell, number);
}

}  // namespace pyember::host

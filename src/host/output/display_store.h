#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "embed/execution.h"

namespace pyember::host {

// One thing a cell showed.
struct StoredDisplay {
  std::string mime;  // without parameters: "image/png"
  std::string data;
  bool only_linked = false;  // a picture in full, of which the answer shows a smaller one or none
};

// What the cells of one session showed, by cell and by number within the cell (from 1). Holds at
// most `held_limit` bytes: the oldest cells' displays go first. Loop's thread only.
class DisplayStore {
 public:
  using Number = std::size_t;
  using OfCell = std::vector<StoredDisplay>;

  explicit DisplayStore(std::size_t held_limit = limits::kHeldDisplayBytes)
      : held_limit_(held_limit) {}

  void keep(embed::CellNumber cell, std::vector<embed::Display> displays);

  // Null when the cell showed nothing, or its displays were dropped.
  const OfCell* find(embed::CellNumber cell) const;
  const StoredDisplay* find(embed::CellNumber cell, Number number) const;
  const std::map<embed::CellNumber, OfCell>& cells() const { return cells_; }

  // Displays of this cell and of those before it may have been dropped; 0: none were.
  embed::CellNumber dropped_up_to() const { return dropped_up_to_; }
  std::size_t held() const { return held_; }

 private:
  const std::size_t held_limit_;
  std::map<embed::CellNumber, OfCell> cells_;
  std::size_t held_ = 0;
  embed::CellNumber dropped_up_to_ = 0;
};

// The address of a display: session-display://{session}/{cell}/{number}.
inline constexpr std::string_view kDisplayScheme = "session-display://";
std::string display_uri(const std::string& session, embed::CellNumber cell,
                        DisplayStore::Number number);

}  // namespace pyember::host

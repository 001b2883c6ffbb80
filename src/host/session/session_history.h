#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "embed/execution.h"
#include "mcp/json.h"

namespace pyember::host {

// One cell that was run, as it is told later. What it printed and showed stays where it is kept
// anyway (OutputStore, SessionProducts), under its number.
struct PastCell {
  embed::CellNumber number = 0;
  std::string code;  // as it ran: lines that install packages are comments
  embed::Status status = embed::Status::Completed;
  std::optional<std::string> result;
  std::optional<embed::CellError> error;
  std::vector<std::string> notices;
  std::chrono::nanoseconds elapsed{};
  bool carried = false;  // by a saved state from another session, whose outputs are not here

  std::size_t bytes() const;
};

// The cells that made a session what it is, oldest first: what an export of it is written from.
// Cells that were never begun are not in it, those that failed are. A reset empties it; a lost
// session keeps it, so that what is gone can be made again.
//
// A cell costs a copy of its result, besides that of its code, which was made when it was queued.
// Holds at most `held_limit` bytes: the oldest cells go first, and dropped() counts them. Owned by
// the session; loop's thread only.
class SessionHistory {
 public:
  explicit SessionHistory(std::size_t held_limit = limits::kHistoryBytes)
      : held_limit_(held_limit) {}

  void add(embed::CellNumber number, std::string code, const embed::CellOutcome& outcome);
  void clear();
  // Drops the cells from `number` on: the session has gone back to where it was before that one.
  void forget_from(embed::CellNumber number);

  const std::deque<PastCell>& cells() const { return cells_; }
  std::size_t dropped() const { return dropped_; }
  std::size_t held() const { return held_; }

  // All of it but what the cells printed and showed, for a state that is saved. What is not such a
  // history adds nothing; cells that are added are `carried`, and stand before those of here.
  mcp::Json to_json() const;
  void add_from_json(const mcp::Json& saved);

 private:
  void drop_oldest();

  const std::size_t held_limit_;
  std::deque<PastCell> cells_;
  std::size_t held_ = 0;
  std::size_t dropped_ = 0;
};

}  // namespace pyember::host

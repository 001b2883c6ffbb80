#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "embed/execution.h"
#include "host/session/host_session.h"

namespace pyember::host {

// What became of a snapshot or of a restoring: the outcome of a cell of such a kind, read.
struct CarriedState {
  // A name and why it did not come along.
  using Reasons = std::vector<std::pair<std::string, std::string>>;

  bool done = false;    // a state was written, or read, even when names are missing
  std::string problem;  // why not
  std::vector<std::string> names;
  Reasons left_behind;                // now
  std::size_t left_behind_count = 0;  // there may be more than a message holds
  std::string running;  // of a snapshot: "1 task and 2 threads", which no file can hold
  Reasons missing;      // of a restoring: what the snapshot had left behind
  Reasons troubles;     // of a restoring: surroundings that could not be had again
};

CarriedState carried_state(const embed::CellOutcome& outcome);

// "a, b (it is an open file); c (…)": each reason once, twenty names at most.
std::string in_words(const CarriedState::Reasons& reasons);

// An observer for a cell of kind Snapshot or Restore. It is told once, whatever became of it, with
// the notices that were waiting for the session's next answer.
using StateCallback = std::function<void(CarriedState, std::vector<std::string> notices)>;
std::unique_ptr<CellObserver> when_carried(StateCallback done);

}  // namespace pyember::host

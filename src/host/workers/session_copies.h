#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "embed/execution.h"

namespace pyember::host {

// Told once, on the loop's thread and never from within the call that asked: the copy of a session
// is there, and what it lacks of the other (texts for people: threads, sockets, children); or why
// there is none. Not called for a copy that was destroyed before.
using Copied = std::function<void(Result<std::vector<std::string>> left)>;

// What a session has gone back to.
struct Undone {
  embed::CellNumber cell = 0;     // the oldest one that is undone
  std::vector<std::string> left;  // what the state lacks that there was then
};

}  // namespace pyember::host

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/session/session_registry.h"

namespace pyember::host {

// A session that was made from another.
struct ForkedSession {
  std::string name;
  embed::CellNumber next_cell = 1;  // the number of its first own cell
  Isolation isolation = Isolation::InProcess;
  bool live = false;              // by fork(); else by way of a file
  std::vector<std::string> left;  // what it lacks of the other, for people
};

// Opens a session with the state that another one has when the cells it has now are over: a worker
// makes a live copy of itself, an in-process session is saved and restored. The new one is what the
// other is (isolation, packages, limits, undo), goes on counting cells where that one is, and has a
// folder of its own with copies of the files. `done` is called once, on the loop's thread.
using ForkDone = std::function<void(Result<ForkedSession>)>;
void fork_session(SessionRegistry& registry, const std::string& original, const std::string& name,
                  ForkDone done);

}  // namespace pyember::host

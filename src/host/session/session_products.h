#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "embed/execution.h"
#include "host/output/display_store.h"
#include "host/session/session_folder.h"

namespace pyember::host {

// What the cells of one session made besides text: what they showed, and files in its folder.
// Owned by the session, outlives its interpreter; loop's thread only.
class SessionProducts {
 public:
  DisplayStore& displays() { return displays_; }
  const DisplayStore& displays() const { return displays_; }

  // Null as long as the session has none.
  SessionFolder* folder() { return folder_.get(); }
  const SessionFolder* folder() const { return folder_.get(); }
  void set_folder(std::unique_ptr<SessionFolder> folder) { folder_ = std::move(folder); }

  // Takes the displays out of the outcome, and looks what the cell did in the folder. Before its
  // answer is made; costs next to nothing when there is neither, which is what false says.
  bool cell_ended(embed::CellNumber number, embed::CellOutcome& outcome);

  // The files a cell left new or changed; null: none.
  const std::vector<SessionFile>* files_of(embed::CellNumber number) const;

 private:
  DisplayStore displays_;
  std::unique_ptr<SessionFolder> folder_;
  std::map<embed::CellNumber, std::vector<SessionFile>> files_;  // of the newest cells
};

// All sessions' products by name, for resources and tools.
using ProductsByName = std::function<std::map<std::string, SessionProducts*>()>;

}  // namespace pyember::host

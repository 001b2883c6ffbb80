#pragma once

#include <string>

#include "host/session/session_registry.h"
#include "host/state/checkpoints.h"

namespace pyember::host {

// A session of an earlier server, by its checkpoint.
struct Revival {
  std::string session;
  std::string path;                   // of the checkpoint
  embed::CellNumber next_number = 1;  // as far as the earlier server had counted
  std::string why;                    // "its server ended and another one was started"
};

// Opens the session under its name; its names come back when it is used, and the first answer says
// so, and what is missing. False: there is no checkpoint that can be used, and nothing has
// happened.
bool revive(const Revival& revival, SessionRegistry& registry, Checkpoints& checkpoints);

}  // namespace pyember::host

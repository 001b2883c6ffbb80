#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mcp/output.h"

namespace pyember::mcp {

// A kept line that a server before this one did not answer.
struct KeptLine {
  std::string text;
  Ticket ticket = kNoTicket;
  bool begun = false;      // it may have had effects
  bool truncated = false;  // only its beginning is left
};

// Where a connection goes on that follows another server's on the same pipe.
struct Continuation {
  std::string protocol;         // as Output::protocol_changed() was told last; empty: nothing yet
  std::vector<KeptLine> lines;  // in the order they came
  std::uint64_t position = 0;   // of the input: what is received next begins there
  // The beginning of a line that is too long to be kept, in whose middle that is; empty: none.
  std::string overlong_beginning;
};

}  // namespace pyember::mcp

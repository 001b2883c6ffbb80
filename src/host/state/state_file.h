#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "host/session/session_plan.h"

// What a file with a session's state (python/mcp_runtime/snapshot_file.py) tells about itself,
// before anything of the state is read.
namespace pyember::host {

// What the server writes beside the names of a state that is kept.
struct StateAbout {
  std::string session;                // its name
  embed::CellNumber cell = 0;         // the last one that ended before; 0: none
  embed::CellNumber next_number = 1;  // of the session's cells
  std::int64_t saved_at = 0;          // seconds since 1970
  SessionPlan plan;                   // as it was asked for; where it lay is found again
};

std::string to_text(const StateAbout& about);
Result<StateAbout> parse_about(const std::string& text);

struct StateHeader {
  StateAbout about;
  std::string python;       // "3.13"
  std::uint64_t bytes = 0;  // of the file
  std::string more;         // the second text; empty when it was not asked for
};

enum class StateDetail { About, AboutAndMore };

// An error says what is wrong with the file and what to do: it is missing, can't be read, is no
// state, of another format, or damaged. What is behind the texts is checked by whoever reads it.
Result<StateHeader> read_state_header(const std::string& path, StateDetail detail);

}  // namespace pyember::host

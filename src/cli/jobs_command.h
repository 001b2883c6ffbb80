#pragma once

#include <string>
#include <vector>

#include "cli/workplace.h"

namespace pyember::cli {

// `pyember jobs`: what was asked for.
struct JobsCommand {
  enum class Action { List, Show, Tail, Cancel, Prune };

  Action action = Action::List;
  std::vector<std::string> ids;  // or unambiguous beginnings of ids
  std::string status;            // list: only these; empty: all
  std::size_t limit = 20;        // list; 0: all
  std::size_t lines = 0;         // tail: only the last ones; 0: everything
  bool follow = false;           // tail -f
  bool only_stderr = false;      // tail --stderr
  double older_than_hours = 24;  // prune
  bool keep_failed = false;      // prune
  bool json = false;
};

// Works on the store that every pyember server of this user keeps. Exit codes: 0; 1 when a job is
// not there or could not be cancelled; 2 when the store can't be used.
int manage_jobs(const JobsCommand& command);

}  // namespace pyember::cli

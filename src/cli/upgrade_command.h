#pragma once

#include <sys/types.h>

#include <vector>

namespace pyember::cli {

// `pyember upgrade`: what was asked for.
struct UpgradeCommand {
  std::vector<pid_t> pids;  // of supervisors; empty: all of this user's
  bool all = false;         // also those that run this very program
};

// Has servers that run go on as the program this is: their supervisors become it, and their next
// servers go on where those before them were. Exit codes: 0; 1 when one of them could not.
int upgrade(const UpgradeCommand& command);

}  // namespace pyember::cli

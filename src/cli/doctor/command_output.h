#pragma once

#include <string>
#include <vector>

#include "host/loop/event_loop.h"

namespace pyember::cli {

struct CommandOutput {
  bool ok = false;    // it ran and ended with 0
  std::string text;   // its stdout, without the last line end
  std::string error;  // why not ok, in one line
};

// Runs a short command and waits for it, at most limits::kDoctorCommandDeadline. No shell, no
// stdin.
CommandOutput output_of(host::EventLoop& loop, std::vector<std::string> command);

// This program, absolute.
std::string own_program();
// A program on PATH, absolute; empty: there is none.
std::string program_on_path(const std::string& name);

}  // namespace pyember::cli

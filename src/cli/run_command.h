#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/workplace.h"
#include "host/runs/run_spec.h"

namespace pyember::cli {

// `pyember run`: what was asked for.
struct RunCommand {
  std::optional<std::string> code;  // -c
  std::vector<std::string> rest;    // the script, unless there is code, and its arguments
  std::vector<std::string> dependencies;
  std::optional<std::string> python_version;
  std::optional<std::string> directory;
  std::optional<std::string> env_file;
  std::optional<std::string> isolation;
  std::vector<std::string> variables;  // NAME=value
  double timeout_seconds = 0;          // 0: none
  bool no_uv = false;
  bool no_scan = false;
  bool isolated = false;
  bool background = false;
  host::RunLimits limits;
};

// Runs a script as the tools do, with what it prints going to the terminal as it comes. Returns
// the script's exit code, 128 and the signal's number when a signal ended it, 124 after a timeout,
// 2 when it could not be run. An interrupt ends the script's whole process tree.
int run_script(RunCommand command, const RuntimeFactory& start_runtime);

}  // namespace pyember::cli

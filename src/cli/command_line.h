#pragma once

#include <optional>

#include "cli/doctor/doctor.h"
#include "cli/jobs_command.h"
#include "cli/run_command.h"
#include "cli/tokens_command.h"
#include "cli/upgrade_command.h"
#include "cli/upstreams_command.h"
#include "host/options.h"

namespace pyember::cli {

// What the command line and the PYEMBER_* variables say.
struct CommandLine {
  enum class Command { Serve, Run, Jobs, Doctor, Upgrade, Upstreams, Tokens };

  Command command = Command::Serve;
  host::Options options;  // of serve
  RunCommand run;
  JobsCommand jobs;
  DoctorOptions doctor;
  UpgradeCommand upgrade;
  UpstreamsCommand upstreams;
  TokensCommand tokens;
  std::optional<int> exit_code;  // --help, --version or a mistake: printed already, end with this
};

CommandLine parse_command_line(int argc, char** argv);

}  // namespace pyember::cli

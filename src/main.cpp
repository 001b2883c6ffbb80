#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "cli/command_line.h"
#include "embed/runtime.h"
#include "host/app.h"
#include "host/logging.h"

int main(int argc, char** argv) {
  using namespace pyember;
  cli::CommandLine line = cli::parse_command_line(argc, argv);
  if (line.exit_code) return *line.exit_code;
  host::log_to_stderr(line.options.log_level);
  switch (line.command) {
    case cli::CommandLine::Command::Run:
      _exit(cli::run_script(std::move(line.run), embed::Runtime::start));
    case cli::CommandLine::Command::Jobs:
      _exit(cli::manage_jobs(line.jobs));
    case cli::CommandLine::Command::Doctor:
      _exit(cli::doctor(line.doctor, embed::Runtime::start));
    case cli::CommandLine::Command::Serve:
      break;
  }
  Result<host::PythonEnvironment> environment = host::find_environment(line.options.environment);
  if (!environment) {
    fmt::print(stderr, "pyember: {}\n", environment.error().message);
    return 2;
  }
  if (!environment.value().warning.empty()) {
    fmt::print(stderr, "pyember: {}\n", environment.value().warning);
  }
  // Never destroyed: session threads may be parked or running, so the process ends with _exit.
  auto* app = new host::App(std::move(line.options), environment.take(), host::take_stdio(),
                            embed::Runtime::start);
  _exit(app->run());
}

#include "cli/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/doctor/kernel_checks.h"
#include "cli/serve_options.h"

namespace pyember::cli {

namespace {

CLI::App* add_doctor(CLI::App& app, DoctorOptions& options) {
  CLI::App* doctor = app.add_subcommand(
      "doctor", "Look at everything pyember needs, and say what to do about what is missing");
  doctor->add_flag("--json", options.json, "Print the findings as JSON");
  // For doctor itself: not shown.
  doctor->add_flag(kKernelProbe, options.probe_kernel)->group("");
  return doctor;
}

}  // namespace

CommandLine parse_command_line(int argc, char** argv) {
  CommandLine line;
  line.options.profile = host::profile_of_program(argc > 0 ? argv[0] : "");
  CLI::App app("Persistent Python sessions for MCP clients, in embedded interpreters.", "pyember");
  app.set_version_flag("--version", "pyember " PYEMBER_VERSION);
  // `pyember` alone is `pyember serve`: the options are the program's, and serve lets them through.
  app.fallthrough();
  ServeOptions serve(app, line.options);
  app.add_subcommand("serve", "Serve one client over stdin and stdout (the default)")
      ->fallthrough()
      ->footer("Takes every option of the program: pyember --help lists them.");
  const CLI::App* doctor = add_doctor(app, line.doctor);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    line.exit_code = code == 0 ? 0 : 2;
    return line;
  }
  if (doctor->parsed()) line.command = CommandLine::Command::Doctor;
  if (const Result<void> finished = serve.finish(); !finished) {
    fmt::print(stderr, "pyember: {}\n", finished.error().message);
    line.exit_code = 2;
  }
  return line;
}

}  // namespace pyember::cli

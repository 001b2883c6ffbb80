#include "cli/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/serve_options.h"

namespace pyember::cli {

CommandLine parse_command_line(int argc, char** argv) {
  CommandLine line;
  CLI::App app("Persistent Python sessions for MCP clients, in embedded interpreters.", "pyember");
  app.set_version_flag("--version", "pyember " PYEMBER_VERSION);
  // `pyember` alone is `pyember serve`: the options are the program's, and serve lets them through.
  app.fallthrough();
  ServeOptions serve(app, line.options);
  app.add_subcommand("serve", "Serve one client over stdin and stdout (the default)")
      ->fallthrough()
      ->footer("Takes every option of the program: pyember --help lists them.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    line.exit_code = code == 0 ? 0 : 2;
    return line;
  }
  if (const Result<void> finished = serve.finish(); !finished) {
    fmt::print(stderr, "pyember: {}\n", finished.error().message);
    line.exit_code = 2;
  }
  return line;
}

}  // namespace pyember::cli

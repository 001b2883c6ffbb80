#include "command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdlib>
#include <string>

namespace pyember {

namespace {

// Seconds as people write them, kept as text until they have been checked.
struct Durations {
  double timeout;
  double maximum_timeout;
  double idle_timeout;
};

double in_seconds(std::chrono::milliseconds duration) {
  return static_cast<double>(duration.count()) / 1000;
}

std::chrono::milliseconds to_duration(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::llround(seconds * 1000)));
}

void add_serve_options(CLI::App& app, host::Options& options, Durations& durations) {
  constexpr double kYear = 366.0 * 24 * 3600;
  app.add_option("--env", options.environment,
                 "Environment whose packages sessions import (else VIRTUAL_ENV, else ./.venv)")
      ->envname("PYEMBER_ENV");
  app.add_option("--timeout", durations.timeout, "Seconds a cell may run when a call names none")
      ->envname("PYEMBER_TIMEOUT")
      ->check(CLI::Range(0.001, kYear))
      ->capture_default_str();
  app.add_option("--max-timeout", durations.maximum_timeout, "Most seconds a call may ask for")
      ->envname("PYEMBER_MAX_TIMEOUT")
      ->check(CLI::Range(0.001, kYear))
      ->capture_default_str();
  app.add_option("--max-sessions", options.maximum_sessions, "Sessions open at once")
      ->envname("PYEMBER_MAX_SESSIONS")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--spares", options.spares, "Interpreters kept ready for new sessions")
      ->envname("PYEMBER_SPARES")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  app.add_option("--idle-timeout", durations.idle_timeout,
                 "Seconds without a call after which a session is closed; 0: never")
      ->envname("PYEMBER_IDLE_TIMEOUT")
      ->check(CLI::Range(0.0, kYear))
      ->capture_default_str();
  app.add_option("--output-budget", options.output_budget, "Characters of output in one answer")
      ->envname("PYEMBER_OUTPUT_BUDGET")
      ->check(CLI::Range(100, 10'000'000))
      ->capture_default_str();
  app.add_option("--held-output", options.held_output_bytes,
                 "Bytes of output held for each session, on disk (units: 256MB)")
      ->envname("PYEMBER_HELD_OUTPUT")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app.add_option("--memory-budget", options.memory_budget_bytes,
                 "Bytes each session may allocate; 0: half of what is free at start (units: 2GB)")
      ->envname("PYEMBER_MEMORY_BUDGET")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app.add_option("--log-level", options.log_level, "Least severe level logged to stderr")
      ->envname("PYEMBER_LOG_LEVEL")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "critical", "off"}))
      ->capture_default_str();
}

int report(const Error& error) {
  fmt::print(stderr, "pyember: {}\n", error.message);
  return 2;
}

}  // namespace

CommandLine parse_command_line(int argc, char** argv) {
  CommandLine line;
  Durations durations{in_seconds(line.options.timeout), in_seconds(line.options.maximum_timeout),
                      in_seconds(line.options.idle_timeout)};
  CLI::App app("Persistent Python sessions for MCP clients, in embedded interpreters.", "pyember");
  app.set_version_flag("--version", "pyember " PYEMBER_VERSION);
  // `pyember` alone is `pyember serve`: the options are the program's, and serve lets them through.
  app.fallthrough();
  add_serve_options(app, line.options, durations);
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
  line.options.timeout = to_duration(durations.timeout);
  line.options.maximum_timeout = to_duration(durations.maximum_timeout);
  line.options.idle_timeout = to_duration(durations.idle_timeout);
  if (line.options.timeout > line.options.maximum_timeout) {
    line.options.timeout = line.options.maximum_timeout;
  }
  if (const char* switches = std::getenv("PYEMBER_TEST_SWITCHES"); switches && *switches) {
    const auto parsed = host::parse_test_switches(switches);
    if (!parsed) {
      line.exit_code = report(parsed.error());
      return line;
    }
    line.options.test = parsed.value();
    fmt::print(stderr, "pyember: test switches are on: {}\n", switches);
  }
  return line;
}

}  // namespace pyember

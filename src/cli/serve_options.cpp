#include "cli/serve_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>

#include "host/bridge_settings.h"
#include "host/scripts/script_boundaries.h"
#include "host/upstream/config/places.h"
#include "host/upstream/policy/policy.h"

namespace pyember::cli {

namespace {

double in_seconds(std::chrono::milliseconds duration) {
  return static_cast<double>(duration.count()) / 1000;
}

std::chrono::milliseconds to_duration(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::llround(seconds * 1000)));
}

// Empty when it is one.
std::string module_problem(const std::string& name) {
  const bool is_name = !name.empty() && std::all_of(name.begin(), name.end(), [](char each) {
    return std::isalnum(static_cast<unsigned char>(each)) != 0 || each == '_' || each == '.' ||
           static_cast<unsigned char>(each) >= 0x80;
  });
  if (is_name) return {};
  return fmt::format(
      "'{}' can't be imported, because it is no module's name. Name what an import statement "
      "names, separated by commas: numpy,pandas",
      name);
}

}  // namespace

ServeOptions::ServeOptions(CLI::App& app, host::Options& options)
    : app_(app),
      options_(options),
      http_(app),
      timeout_(in_seconds(options.timeout)),
      maximum_timeout_(in_seconds(options.maximum_timeout)),
      idle_timeout_(in_seconds(options.idle_timeout)) {
  constexpr double kYear = 366.0 * 24 * 3600;
  app.add_option("--env", options.environment,
                 "Environment whose packages sessions import (else VIRTUAL_ENV, else ./.venv)")
      ->envname("PYEMBER_ENV");
  app.add_option("--timeout", timeout_, "Seconds a cell may run when a call names none")
      ->envname("PYEMBER_TIMEOUT")
      ->check(CLI::Range(0.001, kYear))
      ->capture_default_str();
  app.add_option("--max-timeout", maximum_timeout_, "Most seconds a call may ask for")
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
  app.add_option("--room-spares", options.room_spares,
                 "Sandboxes or containers kept ready where sessions are opened in them")
      ->envname("PYEMBER_ROOM_SPARES")
      ->check(CLI::Range(0, 16))
      ->capture_default_str();
  app.add_option("--idle-timeout", idle_timeout_,
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
  app.add_option("--profile", profile_,
                 "Tools to list: full (or both), scripts, code (else by the program's name)")
      ->envname("PYEMBER_PROFILE")
      ->check(CLI::IsMember({"full", "both", "scripts", "code"}));
  app.add_option(
         "--isolation", isolation_,
         "Where sessions run whose caller names nothing: auto, inprocess, process, sandbox, "
         "container")
      ->envname("PYEMBER_ISOLATION")
      ->check(CLI::IsMember({"auto", "inprocess", "process", "sandbox", "container"}));
  app.add_option("--sandbox-host", sandbox_hosts_,
                 "Hosts that sandboxes may reach, and nothing else: example.org, *.example.org:443")
      ->envname("PYEMBER_SANDBOX_HOSTS")
      ->delimiter(',');
  app.add_option("--sandbox-path", sandbox_paths_,
                 "Files and folders that sandboxes show; written to with :rw behind them")
      ->envname("PYEMBER_SANDBOX_PATHS")
      ->delimiter(',');
  app.add_option("--sandbox-fallback", sandbox_fallback_,
                 "What sessions have where sandboxes can't be had: none, landlock (a weaker fence)")
      ->envname("PYEMBER_SANDBOX_FALLBACK")
      ->check(CLI::IsMember({"none", "landlock"}))
      ->capture_default_str();
  app.add_flag("--sandbox-scripts{sandbox}", sandbox_scripts_,
               "Run all scripts in sandboxes, whatever a call asks for; =container: in containers")
      ->envname("PYEMBER_SANDBOX_SCRIPTS");
  app.add_option("--preload", options.preloaded,
                 "Packages that workers have ready, where they are installed: numpy,pandas")
      ->envname("PYEMBER_PRELOAD")
      ->delimiter(',')
      ->check(CLI::Validator(module_problem, "MODULE"));
  app.add_option(
         "--import-packages", import_packages_,
         "Profile code: install well-known packages that code imports and that are missing: "
         "on, off")
      ->envname("PYEMBER_IMPORT_PACKAGES")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  app.add_flag("--no-supervisor", unsupervised_, "Don't start another server when this one dies")
      ->envname("PYEMBER_NO_SUPERVISOR");
  app.add_option("--checkpoints", checkpoints_,
                 "Write down idle sessions, so that they outlive a server that dies: on, off")
      ->envname("PYEMBER_CHECKPOINTS")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  app.add_flag("--resume", options.resume,
               "Begin with the sessions of the last server in this working directory")
      ->envname("PYEMBER_RESUME");
  app.add_option("--upstreams", options.upstream_files,
                 "Files that define MCP servers which code may call (may be repeated)")
      ->envname("PYEMBER_UPSTREAMS")
      ->expected(1)
      ->allow_extra_args(false)  // what follows may be a command
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->delimiter(',');
  app.add_flag("--no-upstreams", no_upstreams_, "Let code call no MCP servers")
      ->envname("PYEMBER_NO_UPSTREAMS");
  app.add_option("--upstream-policy", policy_file_,
                 "Which calls of MCP servers code may make (else policy.json of the configuration "
                 "folder)")
      ->envname("PYEMBER_UPSTREAM_POLICY");
  app.add_option("--project-root", options.project_root,
                 "Folder of scripts/ and autosaved_scripts/ (else PYTHON_MCP_HOME, else here)");
  app.add_option("--log-level", options.log_level, "Least severe level logged to stderr")
      ->envname("PYEMBER_LOG_LEVEL")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "critical", "off"}))
      ->capture_default_str();
  app.add_option("--log-format", log_format_,
                 "What is written to stderr: text, json (one object a line)")
      ->envname("PYEMBER_LOG_FORMAT")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

Result<void> ServeOptions::finish() {
  options_.log_format = host::parse_log_format(log_format_).value_or(host::LogFormat::Text);
  host::speak_as(options_.log_format);  // also what is said from here on
  if (const auto profile = host::parse_profile(profile_)) options_.profile = *profile;
  options_.supervised = !unsupervised_;
  options_.upstreams = !no_upstreams_;
  options_.checkpoints = checkpoints_ == "on";
  options_.falls_back_to_fence = sandbox_fallback_ == "landlock";
  options_.isolation = host::parse_isolation(isolation_);
  options_.timeout = to_duration(timeout_);
  options_.maximum_timeout = to_duration(maximum_timeout_);
  options_.idle_timeout = to_duration(idle_timeout_);
  if (options_.profile == host::Profile::Code) take_code_mode();
  if (options_.timeout > options_.maximum_timeout) options_.timeout = options_.maximum_timeout;
  if (auto scripts = read_scripts_boundary(); !scripts) return scripts;
  if (auto allowed = read_allowance(); !allowed) return allowed;
  if (auto policy = read_policy(); !policy) return policy;
  if (auto http = http_.finish(options_); !http) return http;
  const char* switches = std::getenv("PYEMBER_TEST_SWITCHES");
  if (switches == nullptr || *switches == '\0') return {};
  const auto parsed = host::parse_test_switches(switches);
  if (!parsed) return parsed.error();
  options_.test = parsed.value();
  host::say(host::Weight::Warning, fmt::format("test switches are on: {}", switches));
  return {};
}

// What profile code has instead of the other profiles' defaults. Options, and variables of ours,
// that were given stay as they are.
void ServeOptions::take_code_mode() {
  const host::BridgeSettings bridge = host::read_bridge_settings();
  for (const std::string& warning : bridge.warnings) host::say(host::Weight::Warning, warning);
  const auto is_given = [this](const char* name) { return app_.get_option(name)->count() != 0; };
  if (!is_given("--max-timeout")) {
    options_.maximum_timeout = bridge.maximum_timeout;
    if (is_given("--timeout")) {
      options_.maximum_timeout = std::max(options_.maximum_timeout, options_.timeout);
    }
  }
  if (!is_given("--timeout")) options_.timeout = bridge.timeout;
  if (!is_given("--log-level") && !bridge.log_level.empty()) options_.log_level = bridge.log_level;
  if (!options_.isolation) {
    options_.isolation = bridge.containers ? host::Isolation::Container : host::Isolation::Sandbox;
  }
  options_.output_mode = bridge.output_mode;
  options_.sessions_stay = bridge.sessions_stay;
  options_.installs_imports = import_packages_ == "on";
}

// Read once, here: a policy that can't be understood is a reason not to start.
Result<void> ServeOptions::read_policy() {
  if (no_upstreams_ || options_.profile == host::Profile::Scripts) return {};
  using host::Policy;
  const std::string folder = host::find_configuration_directory();
  Result<Policy> policy =
      policy_file_.empty()
          ? Policy::load(folder.empty() ? "" : folder + "/policy.json", Policy::Wanted::IfThere)
          : Policy::load(policy_file_, Policy::Wanted::AskedFor);
  if (!policy) return policy.error();
  options_.upstream_policy = std::make_shared<const Policy>(policy.take());
  return {};
}

// The variable may be a switch as well: 1, true, 0.
Result<void> ServeOptions::read_scripts_boundary() {
  std::string word = CLI::detail::to_lower(sandbox_scripts_);
  if (word.empty() || word == "0" || word == "false" || word == "no" || word == "off") return {};
  if (word == "1" || word == "true" || word == "yes" || word == "on") word = "sandbox";
  options_.scripts_boundary = host::parse_boundary(word);
  if (options_.scripts_boundary && *options_.scripts_boundary != host::Boundary::None) return {};
  return Error{ErrorCode::InvalidArgument,
               fmt::format("--sandbox-scripts={} can't be used, because scripts are run in a "
                           "sandbox or in a container. Say --sandbox-scripts, or "
                           "--sandbox-scripts=container.",
                           sandbox_scripts_)};
}

Result<void> ServeOptions::read_allowance() {
  auto hosts = host::parse_allowed_hosts(sandbox_hosts_);
  if (!hosts) return hosts.error();
  options_.allowed.hosts = hosts.take();
  if (sandbox_paths_.empty()) return {};
  const auto environment = host::find_environment(options_.environment);
  auto paths = host::parse_allowed_paths(
      sandbox_paths_,
      host::find_forbidden_places(environment ? environment.value().root : std::string()));
  if (!paths) return paths.error();
  options_.allowed.paths = paths.take();
  return {};
}

}  // namespace pyember::cli

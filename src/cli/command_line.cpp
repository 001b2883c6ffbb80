#include "cli/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string_view>
#include <vector>

#include "cli/doctor/kernel_checks.h"
#include "cli/serve_options.h"

namespace pyember::cli {

namespace {

CLI::App* add_doctor(CLI::App& app, DoctorOptions& options) {
  CLI::App* doctor = app.add_subcommand(
      "doctor", "Look at everything pyember needs, and say what to do about what is missing");
  doctor->fallthrough(false);
  doctor->add_flag("--json", options.json, "Print the findings as JSON");
  // For doctor itself: not shown.
  doctor->add_flag(kKernelProbe, options.probe_kernel)->group("");
  return doctor;
}

void add_limits(CLI::App& run, host::RunLimits& limits) {
  const char* group = "Limits";
  run.add_option("--memory", limits.memory_bytes, "Memory it may use (units: 512MB)")
      ->transform(CLI::AsSizeValue(false))
      ->group(group);
  run.add_option("--cpu", limits.cpu_seconds, "CPU seconds it may use")->group(group);
  run.add_option("--file-size", limits.file_size_bytes, "Largest file it may write (units: 1GB)")
      ->transform(CLI::AsSizeValue(false))
      ->group(group);
  run.add_option("--processes", limits.processes, "Processes it may have at once")->group(group);
  run.add_flag("--no-network", limits.no_network, "It has no network")->group(group);
}

CLI::App* add_run(CLI::App& app, RunCommand& command) {
  CLI::App* run = app.add_subcommand(
      "run", "Run a script, or code, with its dependencies; show what it prints as it comes");
  run->fallthrough(false)->prefix_command();  // what follows the script belongs to it
  run->footer(
      "pyember run [OPTIONS] FILE.py [ARGUMENTS...]\n"
      "pyember run [OPTIONS] -c CODE [ARGUMENTS...]");
  run->add_option("-c", command.code, "Code to run instead of a file");
  run->add_option("--with", command.dependencies, "A package it needs (may be repeated)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  run->add_option("--python", command.python_version, "Version of Python, as 3.13");
  run->add_option("--directory", command.directory, "Its working directory (else this one)");
  run->add_option("--timeout", command.timeout_seconds, "Seconds after which it is ended; 0: never")
      ->check(CLI::NonNegativeNumber);
  run->add_option("--env-file", command.env_file, "A .env file for its environment");
  run->add_option("--env", command.variables, "NAME=value for its environment (may be repeated)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  run->add_option("--isolation", command.isolation,
                  "Where it runs: none, sandbox (it sees its directory, and no network)")
      ->check(CLI::IsMember({"none", "sandbox", "container"}));
  run->add_flag("--no-uv", command.no_uv, "With the system's Python, without packages");
  run->add_flag("--no-scan", command.no_scan, "Don't add packages for what it imports");
  run->add_flag("--isolated", command.isolated, "Take no account of a project in the directory");
  run->add_flag("--background", command.background,
                "Print the id of its job, and leave it running");
  add_limits(*run, command.limits);
  return run;
}

CLI::App* add_jobs(CLI::App& app, JobsCommand& command) {
  using Action = JobsCommand::Action;
  CLI::App* jobs = app.add_subcommand("jobs",
                                      "List the jobs of every pyember of yours; follow, "
                                      "cancel and remove them");
  jobs->fallthrough(false)->require_subcommand(0, 1);
  const auto action = [&](const char* name, const char* description, Action which) {
    CLI::App* sub = jobs->add_subcommand(name, description);
    sub->callback([&command, which] { command.action = which; });
    return sub;
  };
  const auto list_options = [&](CLI::App* on) {
    on->add_option("--status", command.status, "Only these")
        ->check(CLI::IsMember({"pending", "running", "completed", "failed", "cancelled"}));
    on->add_option("--limit", command.limit, "How many; 0: all")->capture_default_str();
    on->add_flag("--json", command.json, "Print JSON");
  };
  list_options(jobs);  // `pyember jobs` alone lists
  list_options(action("list", "List jobs, newest first", Action::List));
  const auto ids = [&](CLI::App* on) {
    return on->add_option("id", command.ids, "Its id, or the beginning of it")->required();
  };
  ids(action("show", "Everything known of a job, as JSON", Action::Show));
  CLI::App* tail = action("tail", "Print a job's output", Action::Tail);
  ids(tail)->expected(1);
  tail->add_flag("-f,--follow", command.follow, "Go on until it ends");
  tail->add_option("-n,--lines", command.lines, "Only the last lines of each stream");
  tail->add_flag("--stderr", command.only_stderr, "Only its stderr");
  ids(action("cancel", "End jobs, with their whole process trees", Action::Cancel));
  CLI::App* prune = action("prune", "Remove jobs that are over", Action::Prune);
  prune->add_option("--older-than", command.older_than_hours, "Hours since they were created")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  prune->add_flag("--keep-failed", command.keep_failed, "Keep failed and cancelled ones");
  return jobs;
}

CLI::App* add_upgrade(CLI::App& app, UpgradeCommand& command) {
  CLI::App* upgrade = app.add_subcommand(
      "upgrade", "Let servers that run go on as this program; their clients stay connected");
  upgrade->fallthrough(false);
  upgrade->add_option("pid", command.pids,
                      "Only these (else all of yours that run another program)");
  upgrade->add_flag("--all", command.all, "Also those that run this program already");
  return upgrade;
}

void describe_login(CLI::App& login, LoginCommand& command) {
  login.add_option("name", command.name, "Its name, as `pyember upstreams` lists it")->required();
  login.add_option("--scope", command.scope, "Scopes wanted beyond what it asks for");
  login.add_option("--client-id", command.client_id,
                   "A client that was registered there by hand (PYEMBER_CLIENT_SECRET: its secret)");
  login.add_option("--client-url", command.client_url, "The address of a client's metadata");
  login.add_option("--port", command.port, "Port of this machine that the browser comes back to")
      ->check(CLI::Range(1, 65535));
  login.add_flag("--no-browser", command.no_browser, "Only print the address to log in at");
  login.add_flag("--forget", command.forget, "Remove what an earlier login has brought");
}

// Its options go before or behind the words, and --upstreams is the program's own.
CLI::App* add_upstreams(CLI::App& app, UpstreamsCommand& command) {
  using Action = UpstreamsCommand::Action;
  CLI::App* upstreams = app.add_subcommand(
      "upstreams", "List the MCP servers that code may call; try them, allow clients' files");
  upstreams->require_subcommand(0, 1);
  const auto action = [&](const char* name, const char* description, Action which) {
    CLI::App* sub = upstreams->add_subcommand(name, description);
    sub->callback([&command, which] { command.action = which; });
    return sub;
  };
  const auto json = [&](CLI::App* on) { on->add_flag("--json", command.json, "Print JSON"); };
  json(upstreams);  // `pyember upstreams` alone lists
  CLI::App* list = action("list", "What is configured, where, and its tools", Action::List);
  json(list);
  list->add_option("name", command.names, "Only these");
  CLI::App* test = action("test", "Start them, and show their tools or what is wrong", Action::Test);
  json(test);
  test->add_option("name", command.names, "Only these");
  test->add_option("--start-timeout", command.timeout_seconds,
                   "Seconds each may take to start (else as many as the server waits)")
      ->check(CLI::PositiveNumber);
  CLI::App* import = action(
      "import", "Show what clients' files define, and let them be read", Action::Import);
  json(import);
  const auto files = [&](const char* name, std::vector<std::string>& to, const char* description) {
    import->add_option(name, to, description)
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->type_name("FILE");
  };
  files("--yes", command.allowed, "Let this file be read, without asking (may be repeated)");
  files("--remove", command.removed, "Let it not be read any more (may be repeated)");
  describe_login(*action("login", "Log in at one that is reached over HTTP", Action::Login),
                 command.login);
  return upstreams;
}

CLI::App* add_tokens(CLI::App& app, TokensCommand& command) {
  using Action = TokensCommand::Action;
  CLI::App* tokens =
      app.add_subcommand("tokens", "List, make and remove the tokens that let clients of HTTP in");
  tokens->fallthrough(false)->require_subcommand(0, 1);
  const auto action = [&](const char* name, const char* description, Action which) {
    CLI::App* sub = tokens->add_subcommand(name, description);
    sub->callback([&command, which] { command.action = which; });
    return sub;
  };
  const auto common = [&](CLI::App* on) {
    on->add_option("--file", command.file, "Where they are (else tokens.json of the configuration)")
        ->type_name("FILE");
    on->add_flag("--json", command.json, "Print JSON");
  };
  common(tokens);  // `pyember tokens` alone lists
  common(action("list", "List tokens; what they are is not kept", Action::List));
  CLI::App* add = action("add", "Make a token, and print it this once", Action::Add);
  common(add);
  add->add_option("name", command.name, "Whose it is; one caller may have several")->required();
  add->add_option("--scope", command.scopes,
                  "What it lets its bearer call: tools:*, sessions, scripts, code, tool:NAME (may be "
                  "repeated; else everything)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  add->add_option("--expires", command.expires, "When it ends: 90d, 12h, 30m, never")
      ->capture_default_str();
  CLI::App* remove = action("remove", "Remove tokens; servers that run notice", Action::Remove);
  common(remove);
  remove->add_option("token", command.removed, "Ids, or names for all of theirs")->required();
  return tokens;
}

}  // namespace

CommandLine parse_command_line(int argc, char** argv) {
  CommandLine line;
  const std::string_view program = host::name_of_program(argc > 0 ? argv[0] : "");
  line.options.profile = host::profile_of_program(program);
  // There `run` means the server, which needs no word.
  std::vector<char*> words(argv, argv + argc);
  if (program == host::kCodeModeProgram && argc > 1 && std::string_view(argv[1]) == "run") {
    words.erase(words.begin() + 1);
    argc = static_cast<int>(words.size());
  }
  words.push_back(nullptr);
  argv = words.data();
  CLI::App app("Persistent Python sessions for MCP clients, in embedded interpreters.", "pyember");
  app.set_version_flag("--version", "pyember " PYEMBER_VERSION);
  // `pyember` alone is `pyember serve`: the options are the program's, and serve lets them through.
  app.fallthrough();
  ServeOptions serve(app, line.options);
  app.add_subcommand("serve", "Serve one client over stdin and stdout, or many over HTTP (the default)")
      ->fallthrough()
      ->footer("Takes every option of the program: pyember --help lists them.");
  // A client waits for the server: what only people type is not even described to it.
  const bool serves = argc < 2 || std::string_view(argv[1]) == "serve";
  const CLI::App* run = serves ? nullptr : add_run(app, line.run);
  const CLI::App* jobs = serves ? nullptr : add_jobs(app, line.jobs);
  const CLI::App* doctor = serves ? nullptr : add_doctor(app, line.doctor);
  const CLI::App* upgrade = serves ? nullptr : add_upgrade(app, line.upgrade);
  const CLI::App* upstreams = serves ? nullptr : add_upstreams(app, line.upstreams);
  const CLI::App* tokens = serves ? nullptr : add_tokens(app, line.tokens);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    line.exit_code = code == 0 ? 0 : 2;
    return line;
  }
  if (run != nullptr && run->parsed()) {
    line.command = CommandLine::Command::Run;
    line.run.rest = run->remaining();
  }
  if (jobs != nullptr && jobs->parsed()) line.command = CommandLine::Command::Jobs;
  if (doctor != nullptr && doctor->parsed()) line.command = CommandLine::Command::Doctor;
  if (upgrade != nullptr && upgrade->parsed()) line.command = CommandLine::Command::Upgrade;
  if (tokens != nullptr && tokens->parsed()) line.command = CommandLine::Command::Tokens;
  if (upstreams != nullptr && upstreams->parsed()) {
    line.command = CommandLine::Command::Upstreams;
    line.upstreams.files = line.options.upstream_files;
    // What is wrong with one of them is said on the screen, not logged.
    if (app.get_option("--log-level")->count() == 0) line.options.log_level = "off";
  }
  if (const Result<void> finished = serve.finish(); !finished) {
    host::say(host::Weight::Failure, finished.error().message);
    line.exit_code = 2;
  }
  if (program == host::kCodeModeProgram && line.options.profile == host::Profile::Code) {
    line.options.server_name = host::kCodeModeProgram;
  }
  return line;
}

}  // namespace pyember::cli

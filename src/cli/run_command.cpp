#include "cli/run_command.h"

#include <fmt/format.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "base/limits.h"
#include "cli/terminal.h"
#include "host/environments/environments.h"
#include "host/loop/signals.h"
#include "host/options.h"
#include "host/scripts/script_library.h"
#include "host/scripts/script_preparer.h"
#include "host/scripts/text_file.h"
#include "host/services/python_services.h"
#include "host/tools/run_answer.h"

// One script from the command line to its exit code: preparing, running, over. While it runs it is
// a job like any other, so that `pyember jobs` in another terminal sees it; when it ends under our
// eyes the job is removed, because everything it printed has been shown.
namespace pyember::cli {

namespace {

constexpr const char* kTool = "pyember_run";  // also part of a file name
constexpr int kCouldNotRun = 2;
constexpr int kTimedOut = 124;  // as timeout(1) has it

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

// Where inline code is kept: never in the folder somebody happens to be in.
std::string inline_root() {
  if (!variable("PYTHON_MCP_HOME").empty()) return host::find_project_root("");
  const std::string data = variable("XDG_DATA_HOME");
  return (data.starts_with('/') ? data : variable("HOME") + "/.local/share") + "/pyember";
}

Result<host::ScriptRequest> request_for(RunCommand command) {
  host::ScriptRequest request;
  request.tool = kTool;
  const std::string here = host::working_directory();
  request.directory = command.directory ? host::resolved_path(*command.directory, here) : here;
  if (command.code) {
    request.script_content = std::move(command.code);
  } else if (command.rest.empty()) {
    return Error{ErrorCode::InvalidArgument,
                 "Nothing to run was named. Give a file, or code with -c: pyember run file.py"};
  } else if (command.rest.front().starts_with('-')) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("'{}' is no option of pyember run (options stand before the script). "
                             "pyember run --help lists them.",
                             command.rest.front())};
  } else {
    request.script_path = host::resolved_path(command.rest.front(), here);
    command.rest.erase(command.rest.begin());
  }
  request.arguments = std::move(command.rest);
  request.use_uv = !command.no_uv;
  request.python_version = std::move(command.python_version);
  request.dependencies = std::move(command.dependencies);
  request.scan_imports = !command.no_scan && !command.no_uv;
  request.ignore_project = command.isolated;
  if (command.env_file) request.env_file = host::resolved_path(*command.env_file, here);
  for (const std::string& pair : command.variables) {
    const std::size_t equals = pair.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return Error{ErrorCode::InvalidArgument,
                   "A --env has no name or no '='. Write it as --env NAME=value."};
    }
    request.env_vars[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  request.timeout =
      std::chrono::milliseconds(static_cast<std::int64_t>(command.timeout_seconds * 1000));
  request.limits = command.limits;
  request.isolation = std::move(command.isolation);
  request.parameters = mcp::Json::object();
  return request;
}

class ScriptRun {
 public:
  ScriptRun(Workplace& place, const RuntimeFactory& start_runtime, bool background)
      : place_(place),
        background_(background),
        library_({inline_root(), limits::kAutosavedScripts, limits::kAutosavedBytes}),
        services_([this, start_runtime]() -> embed::Runtime& { return runtime(start_runtime); },
                  place.loop(), place.poster()),
        environments_(place.loop(),
                      {host::find_environments_directory(), limits::kEnvironmentBytes}),
        boundaries_([this]() -> host::BoundaryRooms& { return rooms(); }, std::nullopt),
        preparer_(place.loop(), library_, services_, environments_, boundaries_),
        look_(place.loop(), [this] { look(); }) {}

  int run(host::ScriptRequest request);
  void interrupted(int signal);

 private:
  embed::Runtime& runtime(const RuntimeFactory& start);
  host::BoundaryRooms& rooms();
  void known(const host::PreparedScript& script);
  void prepared(std::optional<host::PreparedScript> script, host::PreparationFailure failure);
  void launched(const Result<void>& outcome);
  void look();
  void look_at_background();
  void ended(const host::Job& job);
  bool pass_on(host::Stream stream, const Terminal& to, std::uint64_t& shown);
  void show_output();
  void stop(int exit_code);
  void complain(const std::string& message);
  double elapsed() const { return static_cast<double>(host::now_ns() - began_ns_) / 1e9; }

  Workplace& place_;
  const bool background_;
  const Terminal out_ = Terminal::out();
  const Terminal err_ = Terminal::err();
  ProgressLine progress_{err_};
  std::unique_ptr<embed::Runtime> runtime_;
  host::ScriptLibrary library_;
  host::PythonServices services_;
  host::Environments environments_;
  std::unique_ptr<host::BoundaryRooms> rooms_;
  const host::ScriptBoundaries boundaries_;
  host::ScriptPreparer preparer_;
  host::Timer look_;
  std::uint64_t began_ns_ = host::now_ns();
  std::uint64_t preparation_ = 0;
  host::RunFacts facts_;
  std::string label_;
  std::string job_id_;
  bool launched_ = false;
  std::unique_ptr<host::JobOutput> output_;
  std::uint64_t shown_out_ = 0;
  std::uint64_t shown_err_ = 0;
  int signal_ = 0;
  int exit_code_ = kCouldNotRun;
};

embed::Runtime& ScriptRun::runtime(const RuntimeFactory& start) {
  if (!runtime_) {
    embed::RuntimeOptions options;
    options.python_executable = PYEMBER_PYTHON_EXECUTABLE;
    options.runtime_directory = host::find_runtime_directory();
    options.spare_interpreters = 0;
    runtime_ = start(std::move(options));
  }
  return *runtime_;
}

host::BoundaryRooms& ScriptRun::rooms() {
  if (!rooms_) {
    host::BoundaryRooms::Settings settings{{}, host::read_container_settings(), {}};
    settings.sandbox.runtime_directory = host::find_runtime_directory();
    settings.sandbox.folders = host::find_boundary_folders_directory();
    rooms_ = std::make_unique<host::BoundaryRooms>(place_.loop(), std::move(settings));
  }
  return *rooms_;
}

int ScriptRun::run(host::ScriptRequest request) {
  label_ = request.script_path ? std::filesystem::path(*request.script_path).filename().string()
                               : std::string("-c");
  facts_.strategy = request.use_uv ? "uv-run" : "system-python";
  facts_.dependencies = request.dependencies;
  const Result<std::uint64_t> preparation = preparer_.prepare(
      std::move(request),
      [this](std::optional<host::PreparedScript> script, host::PreparationFailure failure) {
        prepared(std::move(script), std::move(failure));
      },
      [this](const host::PreparedScript& script) { known(script); });
  if (!preparation) {
    complain(preparation.error().message);
    return kCouldNotRun;
  }
  preparation_ = preparation.value();
  look_.start(limits::kShownOutputPeriod, limits::kShownOutputPeriod);
  place_.run();
  progress_.hide();
  if (runtime_) runtime_->end_children(limits::kEndChildrenDeadline);
  return exit_code_;
}

void ScriptRun::known(const host::PreparedScript& script) {
  facts_ = host::facts_of(script, std::move(facts_));
}

void ScriptRun::prepared(std::optional<host::PreparedScript> script,
                         host::PreparationFailure failure) {
  preparation_ = 0;
  progress_.hide();
  if (!script) {
    if (failure.error) {
      complain(failure.error->message);
      return stop(kCouldNotRun);
    }
    err_.write(failure.environment.stderr_text);
    return stop(failure.environment.exit_code != 0 ? failure.environment.exit_code : 1);
  }
  facts_ = host::facts_of(*script, std::move(facts_));
  for (const std::string& each : facts_.notes) complain(each);
  Result<std::string> id = place_.jobs().create(kTool, label_, facts_.to_json());
  if (!id) {
    complain(id.error().message);
    return stop(kCouldNotRun);
  }
  job_id_ = id.take();
  place_.jobs().launch(job_id_, std::move(script->spec),
                       [this](const Result<void>& outcome) { launched(outcome); });
}

void ScriptRun::launched(const Result<void>& outcome) {
  if (!outcome && signal_ != 0) return stop(128 + signal_);
  if (!outcome) {
    complain(outcome.error().message);
    return stop(kCouldNotRun);
  }
  launched_ = true;
  if (background_) return;  // look() waits until its process is there
  output_ = place_.jobs().output(job_id_);
  place_.jobs().watch_end(job_id_, [this](const host::Job& job) { ended(job); });
}

// Its runner runs, but not yet the script: whether that can be started is to be told here.
void ScriptRun::look_at_background() {
  const std::optional<host::Job> job = place_.jobs().find(job_id_);
  if (job && !job->is_over() && job->pid == 0) return;
  if (job && job->end && !job->end->error.empty()) {
    complain(job->end->error);
    return stop(kCouldNotRun);
  }
  out_.write_line(job_id_);
  stop(0);
}

// Called every now and then, from the beginning to the end.
void ScriptRun::look() {
  if (background_ && launched_) return look_at_background();
  if (output_ && (output_->size(host::Stream::Stdout) > shown_out_ ||
                  output_->size(host::Stream::Stderr) > shown_err_)) {
    progress_.hide();
    return show_output();
  }
  constexpr double kQuiet = 0.5;  // what is quick needs no comment
  if (elapsed() < kQuiet) return;
  if (signal_ != 0) {
    progress_.show("ending the script …");
  } else if (preparation_ != 0) {
    progress_.show(fmt::format("preparing {} … {:.0f} s", label_, elapsed()));
  } else if (shown_out_ + shown_err_ == 0) {
    progress_.show(fmt::format("{} runs … {:.0f} s", label_, elapsed()));
  }
}

bool ScriptRun::pass_on(host::Stream stream, const Terminal& to, std::uint64_t& shown) {
  while (true) {
    const std::string text = output_->read(stream, shown, limits::kJobReadBytes);
    if (text.empty()) return true;
    shown += text.size();
    if (!to.write(text)) return false;
  }
}

void ScriptRun::show_output() {
  if (!output_) return;
  const bool read = pass_on(host::Stream::Stdout, out_, shown_out_) &&
                    pass_on(host::Stream::Stderr, err_, shown_err_);
  if (!read && signal_ == 0) interrupted(SIGPIPE);  // nobody reads what it prints
}

void ScriptRun::ended(const host::Job& job) {
  progress_.hide();
  show_output();
  const bool cancelled = job.status == host::JobStatus::Cancelled;
  int code = cancelled ? 128 + (signal_ != 0 ? signal_ : SIGTERM) : kCouldNotRun;
  if (job.end && job.end->error.empty() && !cancelled) {
    code = job.end->timed_out        ? kTimedOut
           : job.end->exit_code >= 0 ? job.end->exit_code
                                     : 128 - job.end->exit_code;
    if (!job.end->limit.empty()) complain("the script reached its limit of " + job.end->limit);
  } else if (!cancelled) {
    complain(job.end && !job.end->error.empty() ? job.end->error : job.error);
  }
  place_.jobs().remove({job_id_});
  stop(code);
}

void ScriptRun::interrupted(int signal) {
  const bool again = signal_ != 0;
  signal_ = signal;
  if (preparation_ != 0) preparer_.cancel(std::exchange(preparation_, 0));
  // The second time nobody waits: the runner ends the tree all the same.
  if (again || job_id_.empty() || !place_.jobs().cancel(job_id_)) stop(128 + signal);
}

void ScriptRun::stop(int exit_code) {
  exit_code_ = exit_code;
  look_.stop();
  place_.loop().stop();
}

void ScriptRun::complain(const std::string& message) {
  progress_.hide();
  err_.write_line(err_.styled(Style::Red, "pyember: ") + message);
}

}  // namespace

int run_script(RunCommand command, const RuntimeFactory& start_runtime) {
  signal(SIGPIPE, SIG_IGN);
  const bool background = command.background;
  Result<host::ScriptRequest> request = request_for(std::move(command));
  if (!request) {
    Terminal::err().write_line("pyember: " + request.error().message);
    return kCouldNotRun;
  }
  // Never destroyed, like everything around a runtime: the process ends with _exit.
  auto& place = *new Workplace();
  auto& run = *new ScriptRun(place, start_runtime, background);
  auto& signals = *new host::TerminationSignals(place.loop(), {SIGINT, SIGTERM, SIGHUP},
                                                [&run](int number) { run.interrupted(number); });
  (void)signals;
  const int exit_code = run.run(request.take());
  place.finish();
  return exit_code;
}

}  // namespace pyember::cli

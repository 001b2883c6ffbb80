#include "host/app.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/limits.h"
#include "host/output/excerpt.h"
#include "host/state/revive.h"
#include "host/state/state_store.h"
#include "host/tools/branch_tools.h"
#include "host/tools/code_tool.h"
#include "host/tools/export_tool.h"
#include "host/tools/file_tools.h"
#include "host/tools/imported_packages.h"
#include "host/upstream/config/load.h"

namespace pyember::host {

namespace {

// What a model is told once, besides the tools' descriptions.
constexpr std::string_view kAboutSessions =
    "pyember runs Python in sessions that live between calls. run_python sends code; names persist "
    "in the session ('main' unless you name one). Use several sessions for independent work: they "
    "run in parallel. A package that is missing: a line `%pip install NAME` in the cell. Figures, "
    "images and data frames are seen when shown: plt.show(), display(x), or as a cell's last "
    "expression. Files a cell writes to os.environ['PYEMBER_SESSION_FOLDER'] are linked in the "
    "answer. If a session is lost, its names are gone and the answer says so.";

constexpr std::string_view kAboutRooms =
    " A session begins in-process and moves to a worker process, with its names, when code needs "
    "one (numpy, pandas …); isolation says where, dependencies installs packages first. put_file "
    "and list_files reach a session's folder. Long work: background=true, then inspect_session.";

constexpr std::string_view kAboutScripts =
    "pyember runs Python scripts in processes of their own. run_script_with_dependencies brings "
    "the packages they need, run_script_in_dir uses those of the folder's environment. Long work: "
    "the tools that end in _async start jobs, which outlive this server; py_job_status and "
    "get_job_output follow them.";

constexpr std::string_view kAboutCode =
    "run_python is the one tool: its code finds and calls the tools of every configured MCP "
    "server. "
    "print(runtime.capability_summary()) shows how. A package that is missing: a line `%pip "
    "install "
    "NAME` in the code.";

std::string instructions(Profile profile) {
  if (profile == Profile::Scripts) return std::string(kAboutScripts);
  if (profile == Profile::Code) return std::string(kAboutCode);
  std::string text(kAboutSessions);
  if (profile == Profile::Full) text += kAboutRooms;
  return text;
}

// CPython starts in well under a second; this is for machines that are all but standing still.
constexpr std::chrono::seconds kRuntimeStartDeadline{60};
constexpr int kStaleTicks = 3;  // one look may follow a pause of the whole process

std::uint64_t in_ns(std::chrono::milliseconds duration) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count());
}

std::string working_directory() {
  std::error_code failed;
  const std::string path = std::filesystem::current_path(failed).string();
  return failed ? std::string() : path;
}

mcp::ServerInfo server_info(const Options& options) {
  mcp::ServerInfo info;
  info.name = options.server_name;
  info.title = "pyember";
  info.version = PYEMBER_VERSION;
  info.description = "Persistent Python sessions in embedded interpreters";
  info.instructions = instructions(options.profile);
  return info;
}

// Where sessions find packages, for profile code to see what is missing; unset: it installs none.
// What a container's image has is not known here.
std::optional<std::vector<std::string>> package_directories(const Options& options,
                                                            const PythonEnvironment& environment) {
  const Isolation room = options.isolation.value_or(Isolation::Auto);
  if (!options.installs_imports || room == Isolation::InProcess || room == Isolation::Container) {
    return std::nullopt;
  }
  if (!environment.root.empty()) return environment.site_directories;
  std::vector<std::string> directories =
      own_package_directories(environment.executable, PYEMBER_PYTHON_VERSION);
  directories.insert(directories.end(), environment.site_directories.begin(),
                     environment.site_directories.end());
  return directories;
}

}  // namespace

App::App(Options options, PythonEnvironment environment, ProtocolDescriptors descriptors,
         journal::JournalMemory& memory, RuntimeFactory make_runtime)
    : journal_(memory),
      options_(std::move(options)),
      environment_(std::move(environment)),
      make_runtime_(std::move(make_runtime)),
      run_settings_{options_.timeout, options_.maximum_timeout, options_.output_budget,
                    options_.profile == Profile::Full},
      session_settings_{options_.output_budget},
      state_places_{find_state_directory(), working_directory()},
      job_settings_{
          options_.jobs_directory.empty() ? find_jobs_directory() : options_.jobs_directory,
          find_runner()},
      poster_(loop_) {
  // A client that stops reading is an error of write(), not the end of the process.
  signal(SIGPIPE, SIG_IGN);
  // The same of a file that grows beyond what the server may write, as in every Python.
  signal(SIGXFSZ, SIG_IGN);
  transport_.emplace(
      loop_, descriptors, journal_,
      StdioTransport::Callbacks{[this](std::string_view bytes) { connection_->receive(bytes); },
                                [this](std::string_view line) { connection_->receive_early(line); },
                                [this] { input_ended(); }, [this] { end_soon(Ending::Stopping); }});
  SessionSettings sessions;
  sessions.maximum_sessions = options_.maximum_sessions;
  sessions.idle_timeout = options_.idle_timeout;
  sessions.held_output_bytes = options_.held_output_bytes;
  sessions.folders_directory = find_session_folders_directory();
  if (options_.upstreams && !find_saved_tools_directory().empty()) {
    sessions.saved_tools_file = find_saved_tools_directory() + "/user_tools.py";
  }
  sessions.log = &journal_.sessions;
  sessions.isolation = options_.isolation.value_or(Isolation::Auto);
  environments_.emplace(
      loop_, Environments::Settings{find_environments_directory(), limits::kEnvironmentBytes});
  rooms_.emplace(
      loop_, [this]() -> embed::Runtime& { return runtime(); }, environment_, *environments_);
  rooms_->preload(options_.preloaded);
  rooms_->allow(options_.allowed);
  rooms_->fall_back_to_fence(options_.falls_back_to_fence);
  rooms_->keep_ready(options_.room_spares);
  registry_.emplace(*rooms_, loop_, poster_, std::move(sessions));
  if (options_.upstreams) gateway_.emplace([this] { return make_gateway(); });
  session_services_.emplace(loop_, gateway_ ? &*gateway_ : nullptr);
  registry_->serve_calls(*session_services_);
  checkpoints_.emplace(*registry_, options_.checkpoint_folder);
  registry_->on_state_gone([this](const std::string& name) { checkpoints_->forget(name); });
  registry_->on_long_cells([this] { look_at_memory(); });
  registry_->on_outputs_changed([this] { outputs_changed_ = true; });
  registry_->on_output([this](const HostSession& session, embed::CellNumber number, Stream stream) {
    std::string uri = output_uri(session.name(), number, stream);
    if (server_->has_subscriber(uri)) outputs_updated_.insert(std::move(uri));
  });
  progress_.emplace(loop_, [this] { return transport_->congested(); });
  jobs_.emplace(loop_, job_settings_);
  publish_job_output();
  add_resources();
  add_tools();
  server_.emplace(server_info(options_), tools_, *resources_);
  connection_.emplace(*server_, *transport_);
  signals_.emplace(loop_, std::initializer_list<int>{SIGTERM, SIGINT, SIGHUP, SIGUSR2},
                   [this](int number) { signalled(number); });
  tick_timer_.emplace(loop_, [this] { tick(); });
  end_timer_.emplace(loop_, [this] { end_if_answered(); });
  adopt_timer_.emplace(loop_, [this] {
    adopt_jobs();
    warm_workers();
    registry_->begin_all_now();
  });
}

App::~App() = default;

void App::add_tools() {
  const Profile profile = options_.profile;
  if (profile == Profile::Code) return add_code_mode();
  if (profile == Profile::Full) {
    tools_.add(run_python_tool(*registry_, *progress_, *jobs_, run_settings_));
  }
  if (profile == Profile::Full) {
    add_session_tools(tools_, *registry_, session_settings_, state_places_);
    add_state_tools(tools_, *registry_, state_places_);
    add_branch_tools(tools_, *registry_);
    add_file_tools(tools_,
                   {[this](const std::string& name) { return registry_->folder_of(name); },
                    [this](const std::string& name) { return registry_->folder_to_fill(name); },
                    [this] { registry_->outputs_changed(); }});
  }
  scripts_.emplace(
      loop_, poster_, [this]() -> embed::Runtime& { return runtime(); }, *environments_, *jobs_,
      *progress_,
      ScriptExecutor::Settings{
          options_.project_root, options_.output_budget, profile == Profile::Full,
          [this]() -> BoundaryRooms& { return rooms_->boundaries(); }, options_.scripts_boundary});
  scripts_->add_tools(tools_);
  if (profile == Profile::Full) {
    add_export_tool(tools_, {*registry_, scripts_->services(), loop_, options_.output_budget});
  }
}

void App::add_code_mode() {
  CodeToolSettings settings{options_.timeout,       options_.maximum_timeout,
                            options_.output_budget, options_.output_mode,
                            options_.sessions_stay, package_directories(options_, environment_)};
  if (gateway_) {
    settings.allow = [this](const std::vector<std::string>& servers) {
      return gateway_->get().allow(servers);
    };
  }
  add_code_tool(tools_, loop_, *registry_, *progress_, std::move(settings));
}

void App::add_resources() {
  const ProductsByName products = [this] {
    std::map<std::string, SessionProducts*> all;
    for (const auto& [name, session] : registry_->sessions()) all[name] = &session->products();
    return all;
  };
  output_resources_.emplace(*registry_);
  job_resources_.emplace(*jobs_);
  display_resources_.emplace(products);
  file_resources_.emplace(products);
  std::vector<ResourceRouter::Route> routes{{"session-output://", &*output_resources_},
                                            {std::string(kDisplayScheme), &*display_resources_},
                                            {std::string(kFileScheme), &*file_resources_},
                                            {std::string(JobResources::kScheme), &*job_resources_}};
  if (options_.profile == Profile::Code) {
    routes.insert(routes.begin(), {std::string(kCapabilityUri), &capabilities_});
  } else {
    live_jobs_.emplace(loop_, *jobs_);
    routes.emplace_back(LiveJobs::kScheme, &*live_jobs_);
    routes.emplace_back(kViewScheme, &views_);
  }
  resources_.emplace(std::move(routes));
}

// Subscribers hear of new output with the next tick.
void App::publish_job_output() {
  jobs_->on_output([this](const std::string& id) { outputs_updated_.insert(job_stream_uri(id)); },
                   [this](const std::string& id) {
                     return server_ && server_->has_subscriber(job_stream_uri(id));
                   });
}

// What earlier servers left: folders of sessions go, jobs are taken over even if nobody asks for
// them. Where there never were any jobs, nothing is opened.
void App::adopt_jobs() {
  registry_->folders().remove_leftovers();
  if (access((job_settings_.directory + "/jobs.db").c_str(), F_OK) == 0) (void)jobs_->open();
}

// Where it is known that there will be some.
void App::warm_workers() {
  const Isolation room = options_.isolation.value_or(Isolation::Auto);
  const bool expected = is_worker(room) || !options_.preloaded.empty();
  if (!expected || options_.profile == Profile::Scripts) return;
  rooms_->warm(is_worker(room) ? room : Isolation::Process);
}

// What a server that died has left: its sessions are gone, its requests are answered or served.
void App::resume() {
  mcp::Continuation left = transport_->resume();
  const std::vector<journal::KeptSession> sessions = journal_.sessions.recover();
  if (left.position > 0) {
    spdlog::warn("resumed unanswered={} sessions={}", left.lines.size(), sessions.size());
  }
  for (const journal::KeptSession& each : sessions) {
    constexpr const char* kWhy = "its server ended and another one was started";
    if (!revive(each.name, each.next_number, kWhy)) {
      registry_->mourn(each.name, kWhy, each.next_number);
    }
  }
  if (options_.resume && left.position == 0) {
    for (const StoredState& each : states_in(options_.checkpoint_folder)) {
      revive(each.session, 1, "this server was started with --resume");
    }
  }
  connection_->resume(std::move(left));
}

std::unique_ptr<UpstreamGateway> App::make_gateway() {
  UpstreamConfiguration configuration =
      load_upstreams(find_upstream_config_places(options_.upstream_files));
  for (const std::string& each : configuration.warnings) {
    spdlog::warn("upstream_configuration warning=\"{}\"", each);
  }
  Policy policy = options_.upstream_policy ? *options_.upstream_policy : Policy();
  std::vector<std::string> names;
  for (const UpstreamDefinition& each : configuration.upstreams) {
    names.insert(names.end(), {each.name, each.alias});
  }
  for (const std::string& each : policy.unknown_servers(names)) {
    spdlog::warn("upstream_policy file={} unknown_server=\"{}\"", policy.source(), each);
  }
  UpstreamGateway::Settings settings;
  settings.state_folder = find_state_directory();
  settings.saved_tools_folder = find_saved_tools_directory();
  settings.upstreams.transport.runner = find_runner();
  settings.upstreams.transport.token_folder = settings.state_folder + "/upstream-tokens";
  return std::make_unique<UpstreamGateway>(loop_, std::move(configuration), std::move(policy),
                                           std::move(settings));
}

bool App::revive(const std::string& name, embed::CellNumber next_number, const std::string& why) {
  if (!checkpoints_->on() || !check_session_name(name)) return false;
  return host::revive({name, checkpoints_->path_of(name), next_number, why}, *registry_,
                      *checkpoints_);
}

int App::run() {
  resume();
  transport_->start();
  // What the client has sent already is answered before CPython starts to compete for the CPU.
  loop_.run_ready();
  transport_->flush();
  runtime();
  tick_timer_->start(std::chrono::milliseconds(50), std::chrono::milliseconds(50));
  if (ending_ != Ending::Done) loop_.run();
  return exit_code_;
}

embed::Runtime& App::runtime() {
  if (!runtime_) {
    embed::RuntimeOptions options;
    options.python_executable = environment_.executable;
    options.runtime_directory = find_runtime_directory();
    options.bundled_directory = find_bundled_directory();
    options.site_directories = environment_.site_directories;
    options.environment_root = environment_.root;
    options.spare_interpreters = options_.spares;
    options.memory_budget_bytes = options_.memory_budget_bytes;
    options.test = options_.test;
    runtime_ = make_runtime_(std::move(options));
    runtime_started_ns_ = now_ns();
  }
  return *runtime_;
}

// --- the end -----------------------------------------------------------------------------------

void App::input_ended() {
  spdlog::info("input_ended in_flight={}", server_->in_flight());
  connection_->receive_end();
  end_soon(Ending::Answering);
}

void App::signalled(int number) {
  spdlog::info("signal number={}", number);
  if (number == SIGUSR2) {
    if (options_.supervised) hand_over(limits::kUpgradeExitCode, "for another program");
    return;
  }
  // Who signals our process group signals the supervisor too, and that passes it on.
  const bool echo = now_ns() - signalled_ns_ < in_ns(limits::kSignalEcho);
  if (signalled_ns_ != 0 && echo) return;
  signalled_ns_ = now_ns();
  end_soon(ending_ < Ending::Stopping ? Ending::Stopping : Ending::Done);
}

// Cells that run get a little time; what has not begun is the next server's.
void App::hand_over(int exit_code, std::string why) {
  if (ending_ != Ending::No) return;
  spdlog::warn("handing_over reason=\"{}\"", why);
  transport_->hand_over();
  registry_->hold_back();
  handing_over_ = std::move(why);
  exit_code_ = exit_code;
  end_soon(Ending::HandingOver);
}

void App::end_soon(Ending stage) {
  if (stage <= ending_) return;
  ending_ = stage;
  if (stage == Ending::Done) return finish(0);
  stage_ends_ns_ = now_ns() + in_ns(stage == Ending::Answering     ? limits::kInputEndGrace
                                    : stage == Ending::HandingOver ? limits::kHandOverGrace
                                                                   : limits::kStopGrace);
  if (stage == Ending::Stopping) {
    registry_->interrupt_all("The cell was not run: the server is ending.");
    if (scripts_) scripts_->cancel_foreground();
  }
  if (!end_check_) end_check_.emplace(loop_, [this] { end_if_answered(); });
  end_timer_->start(std::chrono::milliseconds(1), std::chrono::milliseconds(10));
}

void App::end_if_answered() {
  if (ending_ == Ending::Done) return;
  const bool handing_over = ending_ == Ending::HandingOver;
  const std::size_t left = handing_over ? journal_.requests.running() : server_->in_flight();
  if (left > 0 && now_ns() < stage_ends_ns_) return;
  const bool last_stage = left == 0 || handing_over || ending_ == Ending::Stopping;
  if (last_stage && !checkpoints_->finished(now_ns())) return;
  if (last_stage && gateway_ && !gateway_->ended(limits::kEndChildrenDeadline)) return;
  if (handing_over) return finish(exit_code_);
  end_soon(left > 0 && ending_ == Ending::Answering ? Ending::Stopping : Ending::Done);
}

void App::finish(int exit_code) {
  if (exit_code == 0) journal_.life.ended();
  ending_ = Ending::Done;
  exit_code_ = exit_code;
  const std::string why = handing_over_.empty()
                              ? "The server ended before the cell did."
                              : fmt::format(
                                    "The server was started again, {}, before the cell "
                                    "ended. Look at what it did before you call again.",
                                    handing_over_);
  if (exit_code != 0) journal_.sessions.seal();
  registry_->end_all(embed::Status::Lost, why);
  const std::uint64_t deadline = now_ns() + in_ns(limits::kFlushDeadline);
  transport_->flush();
  while (!transport_->flushed() && now_ns() < deadline) {
    uv_sleep(1);
    transport_->flush();
  }
  if (scripts_) scripts_->tidy();
  jobs_->flush();
  rooms_->end(limits::kEndChildrenDeadline);
  registry_->folders().remove_own();
  if (runtime_) runtime_->end_children(limits::kEndChildrenDeadline);
  loop_.stop();
}

// --- care ----------------------------------------------------------------------------------------

void App::tick() {
  poster_.catch_up();
  const std::uint64_t now = now_ns();  // after what that did: nothing it noted lies in the future
  check_health(now);
  if (ending_ == Ending::Done) return;
  registry_->tick(now);
  if (ending_ == Ending::No) checkpoints_->tick(now);
  look_at_memory();  // also for what threads of idle sessions take
  if (transport_->congested()) return;
  if (std::exchange(outputs_changed_, false)) server_->resources_list_changed();
  for (const std::string& uri : std::exchange(outputs_updated_, {})) server_->resource_updated(uri);
}

void App::check_health(std::uint64_t now) {
  const embed::RuntimeHealth health = runtime_->health();
  if (!health.start_error.empty()) {
    const std::string message = fmt::format(
        "No Python can be run: the embedded interpreter did not start ({}). See the "
        "server's log on stderr, mend its installation and restart it.",
        health.start_error);
    if (!runtime_ready_) spdlog::error("runtime_start_failed error={}", health.start_error);
    registry_->refuse(message);
    registry_->end_all(embed::Status::Lost, message);
  }
  if (!runtime_ready_ && (health.started || !health.start_error.empty())) {
    runtime_ready_ = true;
    tick_timer_->start(limits::kTick, limits::kTick);
    adopt_timer_->start(limits::kAdoptAfter);
  }
  if (!runtime_ready_) {
    if (now - runtime_started_ns_ > in_ns(kRuntimeStartDeadline)) {
      wedged("the embedded Python did not start in time");
    }
    return;
  }
  if (options_.supervised && health.interpreters_retired >= limits::kRestartAtRetired &&
      journal_.requests.running() == 0 && server_->waiting() == 0) {
    return hand_over(limits::kRestartExitCode, "with fresh interpreters");
  }
  stale_ticks_ =
      health.started && health.heartbeat_age > limits::kWedgedAfter ? stale_ticks_ + 1 : 0;
  if (stale_ticks_ >= kStaleTicks) {
    wedged(fmt::format("the Python runtime has not answered for {:.1f} s",
                       static_cast<double>(health.heartbeat_age.count()) / 1000));
  }
}

void App::wedged(const std::string& why) {
  spdlog::critical("runtime_wedged reason=\"{}\" exit_code={}", why, limits::kRestartExitCode);
  if (options_.supervised) transport_->hand_over();
  registry_->end_all(
      embed::Status::Lost,
      fmt::format("The server is ending, because {}. All sessions are lost. {} and define again "
                  "what you need.",
                  why,
                  options_.supervised ? "It is started again at once: call again"
                                      : "Start the server again"));
  finish(limits::kRestartExitCode);
}

void App::look_at_memory() {
  const std::string why = memory_.look(now_ns());
  if (why.empty()) return;
  const std::string stopped = registry_->stop_largest(why);
  spdlog::error("memory_low session={} reason=\"{}\"", stopped, why);
}

}  // namespace pyember::host

#include "host/app.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "base/limits.h"
#include "host/http/http_front.h"
#include "host/logging.h"
#include "host/transport/stdio_front.h"
#include "host/upstream/config/load.h"

namespace pyember::host {

namespace {

// CPython starts in well under a second; this is for machines that are all but standing still.
constexpr std::chrono::seconds kRuntimeStartDeadline{60};
constexpr int kStaleTicks = 3;  // one look may follow a pause of the whole process

std::uint64_t in_ns(std::chrono::milliseconds duration) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count());
}

}  // namespace

App::App(Options options, PythonEnvironment environment, ProtocolDescriptors descriptors,
         journal::JournalMemory& memory, RuntimeFactory make_runtime)
    : App(std::move(options), std::move(environment), memory, std::move(make_runtime)) {
  front_ = std::make_unique<StdioFront>(
      loop_, descriptors, journal_,
      StdioFront::Callbacks{[this]() -> Workspace& { return workspaces_->local(); },
                            [this] { end_soon(Ending::Answering); },
                            [this] { end_soon(Ending::Stopping); }});
}

App::App(Options options, PythonEnvironment environment, const HttpModule& http,
         journal::JournalMemory& memory, RuntimeFactory make_runtime)
    : App(std::move(options), std::move(environment), memory, std::move(make_runtime)) {
  HttpFront::Module module;
  module.listen = [this, http](HttpListen listen, HttpTransport::Handler handler) {
    return http.make_transport(loop_, std::move(listen), std::move(handler));
  };
  module.read_public_key = http.read_public_key();
  front_ = std::make_unique<HttpFront>(
      HttpFront::Parts{loop_, journal_, [this]() -> Workspaces& { return *workspaces_; },
                       &*metrics_},
      *options_.http, std::move(module));
}

App::App(Options options, PythonEnvironment environment, journal::JournalMemory& memory,
         RuntimeFactory make_runtime)
    : journal_(memory),
      options_(std::move(options)),
      environment_(std::move(environment)),
      make_runtime_(std::move(make_runtime)),
      poster_(loop_) {
  // A client that stops reading is an error of write(), not the end of the process.
  signal(SIGPIPE, SIG_IGN);
  // The same of a file that grows beyond what the server may write, as in every Python.
  signal(SIGXFSZ, SIG_IGN);
  if (options_.http) metrics_.emplace(journal_.life.restarts());
  environments_.emplace(
      loop_, Environments::Settings{find_environments_directory(), limits::kEnvironmentBytes});
  rooms_.emplace(
      loop_, [this]() -> embed::Runtime& { return runtime(); }, environment_, *environments_);
  rooms_->preload(options_.preloaded);
  rooms_->allow(options_.allowed);
  rooms_->fall_back_to_fence(options_.falls_back_to_fence);
  rooms_->keep_ready(options_.room_spares);
  if (options_.upstreams) gateway_.emplace([this] { return make_gateway(); });
  session_services_.emplace(loop_, gateway_ ? &*gateway_ : nullptr);
  services_.emplace([this]() -> embed::Runtime& { return runtime(); }, loop_, poster_);
  cpus_.emplace(loop_);
  cpus_->on_long_cells([this] { look_at_memory(); });
  workspaces_.emplace(parts());
  signals_.emplace(loop_, std::initializer_list<int>{SIGTERM, SIGINT, SIGHUP, SIGUSR2},
                   [this](int number) { signalled(number); });
  tick_timer_.emplace(loop_, [this] { tick(); });
  end_timer_.emplace(loop_, [this] { end_if_answered(); });
  adopt_timer_.emplace(loop_, [this] {
    workspaces_->adopt_all();
    warm_workers();
  });
}

App::~App() = default;

WorkspaceParts App::parts() {
  return {options_,
          environment_,
          loop_,
          poster_,
          *environments_,
          *rooms_,
          *cpus_,
          *services_,
          *session_services_,
          gateway_ ? &*gateway_ : nullptr,
          &journal_.sessions,
          [this] { return front_->congested(); },
          metrics_ ? &*metrics_ : nullptr};
}

// Where it is known that there will be some.
void App::warm_workers() {
  const Isolation room = options_.isolation.value_or(Isolation::Auto);
  const bool expected = is_worker(room) || !options_.preloaded.empty();
  if (!expected || options_.profile == Profile::Scripts) return;
  rooms_->warm(is_worker(room) ? room : Isolation::Process);
}

std::unique_ptr<UpstreamGateway> App::make_gateway() {
  UpstreamConfigPlaces places = find_upstream_config_places(options_.upstream_files);
  // They act with the rights of this server's user, whoever calls them.
  places.named_only = options_.keeps_callers_apart;
  UpstreamConfiguration configuration = load_upstreams(places);
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
  settings.questions = &session_services_->questions();
  settings.metrics = metrics_ ? &*metrics_ : nullptr;
  settings.upstreams.transport.runner = find_runner();
  settings.upstreams.transport.token_folder = settings.state_folder + "/upstream-tokens";
  return std::make_unique<UpstreamGateway>(loop_, std::move(configuration), std::move(policy),
                                           std::move(settings));
}

int App::run() {
  const bool follows = front_->follows_another();
  workspaces_->expect(journal_.sessions.recover(),
                      follows ? Workspaces::After::Death : Workspaces::After::Start);
  if (const Result<void> started = front_->start(); !started) {
    say(Weight::Failure, started.error().message);
    return 2;
  }
  // What the client has sent already is answered before CPython starts to compete for the CPU.
  loop_.run_ready();
  front_->flushed();
  runtime();
  tick_timer_->start(std::chrono::milliseconds(50), std::chrono::milliseconds(50));
  if (!left_) loop_.run();
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
  if (front_->hand_over() == Front::Handover::NextServesTheRest) workspaces_->hold_back();
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
    front_->close();
    workspaces_->interrupt_all("The cell was not run: the server is ending.");
  }
  if (!end_check_) end_check_.emplace(loop_, [this] { end_if_answered(); });
  end_timer_->start(std::chrono::milliseconds(1), std::chrono::milliseconds(10));
}

void App::end_if_answered() {
  if (ending_ == Ending::Done) return leave_if_flushed();
  const bool handing_over = ending_ == Ending::HandingOver;
  const std::size_t left = handing_over ? front_->begun() : front_->in_flight();
  if (left > 0 && now_ns() < stage_ends_ns_) return;
  const bool last_stage = left == 0 || handing_over || ending_ == Ending::Stopping;
  if (last_stage && !workspaces_->checkpoints_finished(now_ns())) return;
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
  workspaces_->refuse("No code is run any more: the server is ending. Call again in a moment.");
  workspaces_->end_all(embed::Status::Lost, why);
  stage_ends_ns_ = now_ns() + in_ns(limits::kFlushDeadline);
  end_timer_->start(std::chrono::milliseconds(1), std::chrono::milliseconds(1));
  leave_if_flushed();
}

// The last answers go out in further turns of the loop, if the clients read them.
void App::leave_if_flushed() {
  if (left_ || (!front_->flushed() && now_ns() < stage_ends_ns_)) return;
  left_ = true;
  workspaces_->flush();
  rooms_->end(limits::kEndChildrenDeadline);
  workspaces_->remove_folders();
  if (runtime_) runtime_->end_children(limits::kEndChildrenDeadline);
  loop_.stop();
}

// --- care ----------------------------------------------------------------------------------------

void App::tick() {
  poster_.catch_up();
  const std::uint64_t now = now_ns();  // after what that did: nothing it noted lies in the future
  check_health(now);
  if (ending_ == Ending::Done) return;
  workspaces_->tick(
      now, ending_ == Ending::No ? Workspace::Checkpointing::On : Workspace::Checkpointing::Off);
  front_->tick(now);
  look_at_memory();  // also for what threads of idle sessions take
  if (!front_->congested()) workspaces_->publish();
}

void App::check_health(std::uint64_t now) {
  const embed::RuntimeHealth health = runtime_->health();
  if (!health.start_error.empty()) {
    const std::string message = fmt::format(
        "No Python can be run: the embedded interpreter did not start ({}). See the "
        "server's log on stderr, mend its installation and restart it.",
        health.start_error);
    if (!runtime_ready_) spdlog::error("runtime_start_failed error=\"{}\"", health.start_error);
    workspaces_->refuse(message);
    workspaces_->end_all(embed::Status::Lost, message);
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
      front_->begun() == 0 && workspaces_->waiting() == 0) {
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
  if (options_.supervised) front_->hand_over();
  workspaces_->end_all(
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
  const std::string stopped = workspaces_->stop_largest(why);
  spdlog::error("memory_low session={} reason=\"{}\"", stopped, why);
}

}  // namespace pyember::host

#include <fmt/format.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "cli/command_line.h"
#include "embed/runtime.h"
#include "host/app.h"
#include "host/http/http_module.h"
#include "host/http/http_options.h"
#include "host/http/listening_sockets.h"
#include "host/logging.h"
#include "host/state/state_store.h"
#include "journal/journal_memory.h"
#include "journal/upgrade_order.h"
#include "supervisor/next_program.h"
#include "supervisor/supervisor.h"

using namespace pyember;
using host::say;
using host::Weight;

namespace {

// What servers that follow one another have in common, and what a program that this one becomes
// takes over.
struct Lasting {
  std::optional<host::CheckpointSlot> slot;
  // Over HTTP.
  std::optional<host::ListeningSockets> sockets;
  std::optional<host::HttpModule> http;

  void hand_on() const {
    if (slot) slot->leave_word();
    if (sockets) sockets->hand_on();
  }
  void take_back() const {
    if (sockets) sockets->take_back();
  }
};

// One server, over descriptors 0 and 1 or over HTTP; the exit code.
int serve(const host::Options& options, journal::JournalMemory& memory, const Lasting& lasting) {
  if (options.test.die_at_start) raise(SIGKILL);
  Result<host::PythonEnvironment> environment = host::find_environment(options.environment);
  if (!environment) {
    say(Weight::Failure, environment.error().message);
    return 2;
  }
  if (!environment.value().warning.empty()) {
    say(Weight::Warning, environment.value().warning);
  }
  const host::ProtocolDescriptors stdio = host::take_stdio();
  // Never destroyed: session threads may be parked or running, so the process ends with _exit.
  auto* app =
      lasting.http
          ? new host::App(options, environment.take(), *lasting.http, memory, embed::Runtime::start)
          : new host::App(options, environment.take(), stdio, memory, embed::Runtime::start);
  return app->run();
}

// Until a server ends in order; when it is asked to, as another program.
int supervise(const host::Options& options, journal::JournalMemory& memory, bool goes_on,
              const Lasting& lasting, char** arguments) {
  using supervisor::LastWords;
  const LastWords last_words = lasting.http ? LastWords::ToNobody : LastWords::OnStdout;
  for (;;) {
    const supervisor::Outcome outcome = supervisor::supervise(
        memory, [&] { return serve(options, memory, lasting); }, goes_on, last_words,
        [](const std::string& what) { say(Weight::Failure, what); });
    if (outcome.program.empty()) return outcome.exit_code;
    lasting.hand_on();
    const Error failed = supervisor::become(outcome.program, arguments, memory);
    lasting.take_back();
    journal::UpgradeOrder(memory.layout()).clear();
    say(Weight::Failure, failed.message);
    goes_on = true;
  }
}

// What HTTP needs before there is a server, which finds its sockets in the options.
Result<void> listen(host::Options& options, Lasting& lasting) {
  Result<host::HttpModule> module = host::HttpModule::load();
  if (!module) return module.error();
  auto http = std::make_shared<host::HttpOptions>(*options.http);
  Result<host::ListeningSockets> sockets =
      host::ListeningSockets::inherited_or_open({http->gate.address, http->port});
  if (!sockets) return sockets.error();
  http->sockets = sockets.value().descriptors();
  for (const std::string& address : sockets.value().addresses()) {
    say(Weight::Note, fmt::format("listening on {}://{}{}", http->gate.tls ? "https" : "http",
                                  address, http->gate.path));
  }
  options.http = std::move(http);
  lasting.http = module.take();
  lasting.sockets = sockets.take();
  return {};
}

// Checkpoints can't be written without a place for them, but the server can do without.
std::optional<host::CheckpointSlot> take_checkpoint_slot(host::Options& options) {
  if (!options.checkpoints || options.profile == host::Profile::Scripts) return std::nullopt;
  char directory[PATH_MAX];
  if (getcwd(directory, sizeof directory) == nullptr) return std::nullopt;
  using Contents = host::CheckpointSlot::Contents;
  auto slot = host::CheckpointSlot::take(host::find_state_directory(), directory,
                                         options.resume ? Contents::Newest : Contents::Fresh);
  if (!slot) {
    say(Weight::Warning,
        fmt::format("sessions will not outlive the server: {}", slot.error().message));
    return std::nullopt;
  }
  options.checkpoint_folder = slot.value().folder();
  return slot.take();
}

int serve_client(host::Options options, char** arguments) {
  Lasting lasting;
  lasting.slot = take_checkpoint_slot(options);
  using Kind = journal::JournalMemory::Kind;
  std::optional<Result<journal::JournalMemory>> memory = supervisor::inherited_journal();
  const bool goes_on = memory.has_value();
  if (!memory) {
    memory.emplace(journal::JournalMemory::make(options.supervised ? Kind::Shared : Kind::Private));
  }
  if (!*memory) {
    say(Weight::Failure, memory->error().message);
    return 2;
  }
  journal::UpgradeOrder(memory->value().layout()).clear();
  if (options.http) {
    if (const Result<void> listening = listen(options, lasting); !listening) {
      say(Weight::Failure, listening.error().message);
      return 2;
    }
  }
  if (!options.supervised) return serve(options, memory->value(), lasting);
  return supervise(options, memory->value(), goes_on, lasting, arguments);
}

}  // namespace

int main(int argc, char** argv) {
  cli::CommandLine line = cli::parse_command_line(argc, argv);
  if (line.exit_code) return *line.exit_code;
  host::log_to_stderr(line.options.log_level, line.options.log_format);
  switch (line.command) {
    case cli::CommandLine::Command::Run:
      _exit(cli::run_script(std::move(line.run), embed::Runtime::start));
    case cli::CommandLine::Command::Jobs:
      _exit(cli::manage_jobs(line.jobs));
    case cli::CommandLine::Command::Doctor:
      _exit(cli::doctor(line.doctor, embed::Runtime::start));
    case cli::CommandLine::Command::Upgrade:
      _exit(cli::upgrade(line.upgrade));
    case cli::CommandLine::Command::Upstreams:
      _exit(cli::manage_upstreams(line.upstreams));
    case cli::CommandLine::Command::Tokens:
      _exit(cli::manage_tokens(line.tokens));
    case cli::CommandLine::Command::Serve:
      break;
  }
  _exit(serve_client(line.options, argv));
}

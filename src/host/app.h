#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "embed/runtime.h"
#include "host/environments/environments.h"
#include "host/front.h"
#include "host/http/http_module.h"
#include "host/loop/event_loop.h"
#include "host/loop/loop_poster.h"
#include "host/loop/signals.h"
#include "host/memory_watch.h"
#include "host/metrics/server_metrics.h"
#include "host/options.h"
#include "host/questions/session_services.h"
#include "host/services/python_services.h"
#include "host/session/server_rooms.h"
#include "host/session/session_cpus.h"
#include "host/transport/stdio.h"
#include "host/upstream/lazy_gateway.h"
#include "host/workspace/workspaces.h"
#include "journal/journal.h"

namespace pyember::host {

// The composition: builds what all clients share, the workspaces with what each of them has, and
// the front they come by; wires them together and runs the loop until the client goes away, a
// signal asks for the end, or the runtime is found wedged. One per process, on its main thread.
// After run() the process must end with _exit: session threads may still be parked.
class App {
 public:
  using RuntimeFactory =
      std::function<std::unique_ptr<embed::Runtime>(embed::RuntimeOptions options)>;

  // The memory outlives it, and holds what a server before this one left, if there was one.
  App(Options options, PythonEnvironment environment, ProtocolDescriptors descriptors,
      journal::JournalMemory& memory, RuntimeFactory make_runtime);
  // The same over HTTP, as Options::http says.
  App(Options options, PythonEnvironment environment, const HttpModule& http,
      journal::JournalMemory& memory, RuntimeFactory make_runtime);
  ~App();

  // The exit code: 0, or what it asks its supervisor for (limits::kRestartExitCode,
  // kUpgradeExitCode).
  int run();

 private:
  // How far the end of the server has come.
  enum class Ending { No, Answering, HandingOver, Stopping, Done };

  App(Options options, PythonEnvironment environment, journal::JournalMemory& memory,
      RuntimeFactory make_runtime);
  embed::Runtime& runtime();
  WorkspaceParts parts();
  void warm_workers();
  std::unique_ptr<UpstreamGateway> make_gateway();
  void signalled(int number);
  void end_soon(Ending stage);
  void hand_over(int exit_code, std::string why);
  void end_if_answered();
  void finish(int exit_code);
  void leave_if_flushed();
  void tick();
  void check_health(std::uint64_t now);
  void wedged(const std::string& why);
  void look_at_memory();

  journal::Journal journal_;
  const Options options_;
  const PythonEnvironment environment_;
  RuntimeFactory make_runtime_;

  EventLoop loop_;
  LoopPoster poster_;                        // outlives the runtime's threads
  std::unique_ptr<embed::Runtime> runtime_;  // outlives the sessions
  std::uint64_t runtime_started_ns_ = 0;
  bool runtime_ready_ = false;
  int stale_ticks_ = 0;

  std::optional<ServerMetrics> metrics_;  // over HTTP: there they can be seen
  std::optional<Environments> environments_;
  std::optional<ServerRooms> rooms_;
  std::optional<LazyGateway> gateway_;               // outlives the sessions, whose calls it serves
  std::optional<SessionServices> session_services_;  // as the gateway, which is one of them
  std::optional<PythonServices> services_;
  std::optional<SessionCpus> cpus_;
  std::optional<Workspaces> workspaces_;
  std::unique_ptr<Front> front_;
  std::optional<TerminationSignals> signals_;
  std::optional<Timer> tick_timer_;
  std::optional<Timer> end_timer_;
  std::optional<Timer> adopt_timer_;
  std::optional<BeforeWait> end_check_;
  MemoryWatch memory_{read_memory};

  Ending ending_ = Ending::No;
  std::uint64_t stage_ends_ns_ = 0;
  std::uint64_t signalled_ns_ = 0;
  std::string handing_over_;  // why; empty: this server ends without another one after it
  int exit_code_ = 0;
  bool left_ = false;  // everything is done: the loop has nothing more to turn for
};

}  // namespace pyember::host

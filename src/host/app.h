#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "embed/runtime.h"
#include "host/apps/live_jobs.h"
#include "host/apps/view_resources.h"
#include "host/jobs/job_registry.h"
#include "host/jobs/job_resources.h"
#include "host/loop/event_loop.h"
#include "host/loop/loop_poster.h"
#include "host/loop/signals.h"
#include "host/memory_watch.h"
#include "host/options.h"
#include "host/output/display_resources.h"
#include "host/output/output_resources.h"
#include "host/output/resource_router.h"
#include "host/questions/session_services.h"
#include "host/script_executor.h"
#include "host/session/server_rooms.h"
#include "host/session/session_file_resources.h"
#include "host/session/session_registry.h"
#include "host/state/checkpoints.h"
#include "host/tools/capability_resource.h"
#include "host/tools/progress.h"
#include "host/tools/run_python.h"
#include "host/tools/session_tools.h"
#include "host/tools/state_tools.h"
#include "host/transport/stdio.h"
#include "host/upstream/lazy_gateway.h"
#include "journal/journal.h"
#include "mcp/connection.h"
#include "mcp/server.h"

namespace pyember::host {

// The composition: builds every part, wires them together and runs the loop until the client goes
// away, a signal asks for the end, or the runtime is found wedged. One per process, on its main
// thread. After run() the process must end with _exit: session threads may still be parked.
class App {
 public:
  using RuntimeFactory =
      std::function<std::unique_ptr<embed::Runtime>(embed::RuntimeOptions options)>;

  // The memory outlives it, and holds what a server before this one left, if there was one.
  App(Options options, PythonEnvironment environment, ProtocolDescriptors descriptors,
      journal::JournalMemory& memory, RuntimeFactory make_runtime);
  ~App();

  // The exit code: 0, or what it asks its supervisor for (limits::kRestartExitCode,
  // kUpgradeExitCode).
  int run();

 private:
  // How far the end of the server has come.
  enum class Ending { No, Answering, HandingOver, Stopping, Done };

  embed::Runtime& runtime();
  void add_tools();
  void add_code_mode();
  void publish_job_output();
  void add_resources();
  void adopt_jobs();
  void warm_workers();
  void resume();
  std::unique_ptr<UpstreamGateway> make_gateway();
  bool revive(const std::string& name, embed::CellNumber next_number, const std::string& why);
  void input_ended();
  void signalled(int number);
  void end_soon(Ending stage);
  void hand_over(int exit_code, std::string why);
  void end_if_answered();
  void finish(int exit_code);
  void tick();
  void check_health(std::uint64_t now);
  void wedged(const std::string& why);
  void look_at_memory();

  journal::Journal journal_;
  const Options options_;
  const PythonEnvironment environment_;
  RuntimeFactory make_runtime_;
  const RunPythonSettings run_settings_;
  const SessionToolSettings session_settings_;
  const StatePlaces state_places_;
  const JobRegistry::Settings job_settings_;

  EventLoop loop_;
  LoopPoster poster_;                        // outlives the runtime's threads
  std::unique_ptr<embed::Runtime> runtime_;  // outlives the sessions
  std::uint64_t runtime_started_ns_ = 0;
  bool runtime_ready_ = false;
  int stale_ticks_ = 0;

  std::optional<StdioTransport> transport_;
  std::optional<Environments> environments_;
  std::optional<ServerRooms> rooms_;
  std::optional<LazyGateway> gateway_;  // outlives the sessions, whose calls it serves
  std::optional<SessionServices> session_services_;  // as the gateway, which is one of them
  std::optional<SessionRegistry> registry_;
  std::optional<Checkpoints> checkpoints_;
  std::optional<ProgressTicker> progress_;
  std::optional<JobRegistry> jobs_;
  std::optional<OutputResources> output_resources_;
  std::optional<JobResources> job_resources_;
  std::optional<LiveJobs> live_jobs_;  // of profiles with job tools, as the views are
  ViewResources views_;
  std::optional<DisplayResources> display_resources_;
  std::optional<SessionFileResources> file_resources_;
  CapabilityResource capabilities_;  // of profile code
  std::optional<ResourceRouter> resources_;
  std::optional<ScriptExecutor> scripts_;
  mcp::ToolCatalog tools_;
  std::optional<mcp::Server> server_;
  std::optional<mcp::Connection> connection_;  // the pipe's
  std::optional<TerminationSignals> signals_;
  std::optional<Timer> tick_timer_;
  std::optional<Timer> end_timer_;
  std::optional<Timer> adopt_timer_;
  std::optional<BeforeWait> end_check_;
  MemoryWatch memory_{read_memory};

  bool outputs_changed_ = false;
  std::set<std::string> outputs_updated_;
  Ending ending_ = Ending::No;
  std::uint64_t stage_ends_ns_ = 0;
  std::uint64_t signalled_ns_ = 0;
  std::string handing_over_;  // why; empty: this server ends without another one after it
  int exit_code_ = 0;
};

}  // namespace pyember::host

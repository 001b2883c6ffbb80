#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host/apps/live_jobs.h"
#include "host/apps/view_resources.h"
#include "host/environments/environments.h"
#include "host/jobs/job_registry.h"
#include "host/jobs/job_resources.h"
#include "host/loop/event_loop.h"
#include "host/loop/loop_poster.h"
#include "host/metrics/server_metrics.h"
#include "host/options.h"
#include "host/output/display_resources.h"
#include "host/output/output_resources.h"
#include "host/output/resource_router.h"
#include "host/prompts/host_prompts.h"
#include "host/script_executor.h"
#include "host/services/python_services.h"
#include "host/session/server_rooms.h"
#include "host/session/session_cpus.h"
#include "host/session/session_file_resources.h"
#include "host/session/session_registry.h"
#include "host/state/checkpoints.h"
#include "host/state/state_store.h"
#include "host/tasks/kept_tasks.h"
#include "host/tools/capability_resource.h"
#include "host/tools/progress.h"
#include "host/tools/run_python.h"
#include "host/tools/session_tools.h"
#include "host/tools/state_tools.h"
#include "host/upstream/call_service.h"
#include "host/upstream/lazy_gateway.h"
#include "host/workspace/principal_places.h"
#include "journal/session_log.h"
#include "mcp/server.h"

namespace pyember::host {

// What all workspaces of a server share. Outlives them.
struct WorkspaceParts {
  const Options& options;
  const PythonEnvironment& environment;
  EventLoop& loop;
  LoopPoster& poster;
  Environments& environments;
  ServerRooms& rooms;
  SessionCpus& cpus;
  PythonServices& services;  // executes nothing of anybody's
  CallService& calls;        // what code asks of the server
  LazyGateway* gateway;      // null: no MCP servers stand behind this one
  journal::SessionLog* sessions;
  std::function<bool()> congested;   // clients don't read: what may be left out should be
  ServerMetrics* metrics = nullptr;  // counts calls of tools; null: nobody does
};

// What one principal has: its sessions and what is kept of them, its jobs and scripts, the
// resources and tools that reach those, and the server that offers them. A client that is not this
// principal's has no name for any of it: it is in other objects.
//
// Owned by Workspaces; loop's thread only.
class Workspace {
 public:
  // Where checkpoints are written: a folder that is somebody's already, or one to be held here;
  // neither: none are.
  struct Kept {
    std::string checkpoints;
    std::optional<CheckpointSlot> slot;
  };

  // `others_open`: sessions in other workspaces; empty: there are none.
  Workspace(const WorkspaceParts& parts, PrincipalPlaces places, Kept kept,
            std::function<std::size_t()> others_open);
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  mcp::Server& server() { return *server_; }
  SessionRegistry& registry() { return registry_; }
  const SessionRegistry& registry() const { return registry_; }
  const PrincipalPlaces& places() const { return places_; }

  // --- what a server before this one has left ---
  // These sessions were open when it died: those with a checkpoint are back, the others are
  // mourned.
  void take_over(const std::vector<journal::KeptSession>& sessions);
  // Every session that has a checkpoint is back.
  void resume_checkpoints(const std::string& why);
  // Folders of sessions go; jobs are taken over even if nobody asks for them. Where there never
  // were any, nothing is opened.
  void adopt();

  // --- while it is used ---
  // `writes_checkpoints`: false when the server ends, which has its own ways with them.
  enum class Checkpointing { On, Off };
  void tick(std::uint64_t now_ns, Checkpointing checkpointing);
  // Tells subscribers what has changed since.
  void publish();
  // Something is going on, or is kept in memory, for which there would be no other copy.
  bool in_use();
  // Adds what there is of it.
  void count_into(WorkspaceFigures& figures);

  // --- the end ---
  // What somebody waits for is interrupted; background jobs go on.
  void interrupt(const std::string& why);
  // The last checkpoints are written, or there is no time left; to be called until then.
  bool checkpoints_finished(std::uint64_t now_ns) { return checkpoints_.finished(now_ns); }
  // The last things on the disk.
  void flush();

 private:
  SessionSettings session_settings(std::function<std::size_t()> others_open);
  bool revive(const std::string& name, embed::CellNumber next_number, const std::string& why);
  void add_tools();
  void add_code_mode();
  void add_resources();
  void go_on(const Job& job, std::shared_ptr<mcp::ToolCall> call);

  const WorkspaceParts parts_;
  const PrincipalPlaces places_;
  const Kept kept_;
  const StatePlaces state_places_;
  const SessionToolSettings session_tool_settings_;
  const RunPythonSettings run_settings_;

  SessionRegistry registry_;
  Checkpoints checkpoints_;
  ProgressTicker progress_;
  JobRegistry jobs_;
  OutputResources output_resources_;
  JobResources job_resources_;
  std::optional<LiveJobs> live_jobs_;  // of profiles with job tools, as the views are
  ViewResources views_;
  std::optional<DisplayResources> display_resources_;
  std::optional<SessionFileResources> file_resources_;
  CapabilityResource capabilities_;  // of profile code
  std::optional<ResourceRouter> resources_;
  std::optional<ScriptExecutor> scripts_;  // none in profile code
  std::optional<HostPrompts> prompts_;
  KeptTasks tasks_;
  std::uint64_t tidied_ns_ = 0;  // when their records were looked through
  mcp::ToolCatalog tools_;
  std::optional<mcp::Server> server_;

  bool outputs_changed_ = false;
  std::set<std::string> outputs_updated_;
};

}  // namespace pyember::host

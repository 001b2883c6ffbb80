#include "host/workspace/workspace.h"

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string_view>
#include <utility>

#include "base/iso_time.h"
#include "base/limits.h"
#include "host/output/excerpt.h"
#include "host/scripts/text_file.h"
#include "host/state/revive.h"
#include "host/tools/branch_tools.h"
#include "host/tools/code_tool.h"
#include "host/tools/export_tool.h"
#include "host/tools/file_tools.h"
#include "host/tools/imported_packages.h"
#include "host/upstream/saved_tools.h"
#include "host/workspace/server_info.h"

namespace pyember::host {

namespace {

// `own`: a folder of the caller's, to which the server alone writes.
CallerPaths named_paths(const Options& options, const std::string& own) {
  if (!options.keeps_callers_apart) return {};
  CallerPaths paths{false, options.allowed.paths};
  std::error_code failed;
  const std::string real = std::filesystem::weakly_canonical(own, failed).string();
  if (!failed) paths.shown.push_back({real, own});
  return paths;
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

Workspace::Workspace(const WorkspaceParts& parts, PrincipalPlaces places, Kept kept,
                     std::function<std::size_t()> others_open)
    : parts_(parts),
      places_(std::move(places)),
      kept_(std::move(kept)),
      state_places_{places_.state, working_directory(),
                    named_paths(parts.options, saved_folder(places_.state))},
      session_tool_settings_{parts.options.output_budget},
      run_settings_{parts.options.timeout, parts.options.maximum_timeout,
                    parts.options.output_budget, parts.options.profile == Profile::Full},
      registry_(parts.rooms, parts.loop, parts.poster, session_settings(std::move(others_open))),
      checkpoints_(registry_, kept_.checkpoints),
      progress_(parts.loop, parts.congested),
      jobs_(parts.loop, {places_.jobs, find_runner()}),
      output_resources_(registry_),
      job_resources_(jobs_),
      tasks_(places_.jobs, jobs_, unix_now_ms,
             [this](const Job& job, std::shared_ptr<mcp::ToolCall> call) {
               go_on(job, std::move(call));
             }) {
  registry_.serve_calls(parts.calls);
  registry_.on_state_gone([this](const std::string& name) { checkpoints_.forget(name); });
  registry_.on_outputs_changed([this] { outputs_changed_ = true; });
  registry_.on_output([this](const HostSession& session, embed::CellNumber number, Stream stream) {
    std::string uri = output_uri(session.name(), number, stream);
    if (server_->has_subscriber(uri)) outputs_updated_.insert(std::move(uri));
  });
  // Subscribers hear of new output with the next tick.
  jobs_.on_output([this](const std::string& id) { outputs_updated_.insert(job_stream_uri(id)); },
                  [this](const std::string& id) {
                    return server_ && server_->has_subscriber(job_stream_uri(id));
                  });
  add_resources();
  add_tools();
  if (parts_.metrics != nullptr) {
    tools_.count_calls([this](std::string_view name) { return &parts_.metrics->meter_of(name); });
  }
  server_.emplace(server_info(parts.options), tools_, *resources_);
  prompts_.emplace(
      parts.options.profile,
      prompt_sources(registry_, jobs_, scripts_ ? &scripts_->library() : nullptr, *resources_));
  server_->offer_prompts(*prompts_);
  server_->offer_tasks(unix_now_ms, &tasks_);
}

Workspace::~Workspace() {
  server_.reset();
  // While the calls' progress is still there for them to leave.
  registry_.end_all(embed::Status::Lost, "The client's sessions were given up.");
  registry_.folders().remove_own();
}

SessionSettings Workspace::session_settings(std::function<std::size_t()> others_open) {
  const Options& options = parts_.options;
  SessionSettings settings;
  settings.maximum_sessions = options.maximum_sessions;
  settings.idle_timeout = options.idle_timeout;
  settings.held_output_bytes = options.held_output_bytes;
  settings.working_directory = places_.working_directory;
  settings.folders_directory = places_.session_folders;
  if (options.upstreams && !places_.saved_tools.empty()) {
    settings.saved_tools = std::make_shared<SavedTools>(places_.saved_tools);
  }
  settings.isolation = options.isolation.value_or(Isolation::Auto);
  settings.always_behind_boundary = options.keeps_callers_apart;
  settings.log = parts_.sessions;
  settings.owner = places_.key;
  settings.principal = places_.principal;
  settings.cpus = &parts_.cpus;
  settings.others_open = std::move(others_open);
  return settings;
}

void Workspace::add_tools() {
  const Options& options = parts_.options;
  if (options.profile == Profile::Code) return add_code_mode();
  const bool full = options.profile == Profile::Full;
  if (full) {
    tools_.add(run_python_tool(registry_, progress_, jobs_, run_settings_));
    add_session_tools(tools_, registry_, session_tool_settings_, state_places_);
    add_state_tools(tools_, registry_, state_places_);
    add_branch_tools(tools_, registry_);
    add_file_tools(tools_,
                   {[this](const std::string& name) { return registry_.folder_of(name); },
                    [this](const std::string& name) { return registry_.folder_to_fill(name); },
                    [this] { registry_.outputs_changed(); }});
  }
  ScriptExecutor::Settings settings{places_.project, places_.jobs, places_.working_directory};
  settings.output_budget = options.output_budget;
  settings.extended = full;
  settings.boundaries = [this]() -> BoundaryRooms& { return parts_.rooms.boundaries(); };
  settings.scripts_boundary = options.scripts_boundary;
  settings.named = named_paths(options, places_.project);
  scripts_.emplace(parts_.loop, parts_.services, parts_.environments, jobs_, progress_, settings);
  scripts_->add_tools(tools_);
  if (full) {
    add_export_tool(tools_, {registry_, parts_.services, parts_.loop, options.output_budget,
                             named_paths(options, places_.project)});
  }
}

void Workspace::add_code_mode() {
  const Options& options = parts_.options;
  CodeToolSettings settings{
      options.timeout,       options.maximum_timeout,
      options.output_budget, options.output_mode,
      options.sessions_stay, package_directories(options, parts_.environment)};
  if (parts_.gateway != nullptr) {
    settings.allow = [this](const std::vector<std::string>& servers) {
      return parts_.gateway->get().allow(servers);
    };
  }
  add_code_tool(tools_, parts_.loop, registry_, progress_, std::move(settings));
}

void Workspace::add_resources() {
  const ProductsByName products = [this] {
    std::map<std::string, SessionProducts*> all;
    for (const auto& [name, session] : registry_.sessions()) all[name] = &session->products();
    return all;
  };
  display_resources_.emplace(products);
  file_resources_.emplace(products);
  std::vector<ResourceRouter::Route> routes{{"session-output://", &output_resources_},
                                            {std::string(kDisplayScheme), &*display_resources_},
                                            {std::string(kFileScheme), &*file_resources_},
                                            {std::string(JobResources::kScheme), &job_resources_}};
  if (parts_.options.profile == Profile::Code) {
    routes.insert(routes.begin(), {std::string(kCapabilityUri), &capabilities_});
  } else {
    live_jobs_.emplace(parts_.loop, jobs_);
    routes.emplace_back(LiveJobs::kScheme, &*live_jobs_);
    routes.emplace_back(kViewScheme, &views_);
  }
  resources_.emplace(std::move(routes));
}

// --- what a server before this one has left ------------------------------------------------------

void Workspace::take_over(const std::vector<journal::KeptSession>& sessions) {
  for (const journal::KeptSession& each : sessions) {
    constexpr const char* kWhy = "its server ended and another one was started";
    if (!revive(each.name, each.next_number, kWhy)) {
      registry_.mourn(each.name, kWhy, each.next_number);
    }
  }
}

void Workspace::resume_checkpoints(const std::string& why) {
  for (const StoredState& each : states_in(kept_.checkpoints)) revive(each.session, 1, why);
}

bool Workspace::revive(const std::string& name, embed::CellNumber next_number,
                       const std::string& why) {
  if (!checkpoints_.on() || !check_session_name(name)) return false;
  return host::revive({name, checkpoints_.path_of(name), next_number, why}, registry_,
                      checkpoints_);
}

// A task of a server with another profile may have been asked for.
void Workspace::go_on(const Job& job, std::shared_ptr<mcp::ToolCall> call) {
  if (scripts_) return scripts_->go_on(job, std::move(call));
  call->fail(no_tool_for(job));
}

void Workspace::adopt() {
  registry_.folders().remove_leftovers();
  if (access((places_.jobs + "/jobs.db").c_str(), F_OK) == 0) (void)jobs_.open();
  tidied_ns_ = now_ns();
  tasks_.tidy();
}

// --- while it is used ----------------------------------------------------------------------------

void Workspace::tick(std::uint64_t now, Checkpointing checkpointing) {
  registry_.tick(now);
  server_->look_after_tasks();
  if (now - tidied_ns_ >
      static_cast<std::uint64_t>(std::chrono::nanoseconds(limits::kTaskTtl).count())) {
    tidied_ns_ = now;
    tasks_.tidy();
  }
  if (checkpointing == Checkpointing::On) checkpoints_.tick(now);
}

void Workspace::publish() {
  if (std::exchange(outputs_changed_, false)) server_->resources_list_changed();
  for (const std::string& uri : std::exchange(outputs_updated_, {})) server_->resource_updated(uri);
}

bool Workspace::in_use() {
  if (!registry_.sessions().empty() || server_->in_flight() > 0 || server_->waiting() > 0 ||
      server_->running_tasks() > 0) {
    return true;
  }
  return jobs_.is_open() && (jobs_.list({JobStatus::Running, 1}).total > 0 ||
                             jobs_.list({JobStatus::Pending, 1}).total > 0);
}

void Workspace::count_into(WorkspaceFigures& figures) {
  ++figures.workspaces;
  for (const auto& [name, session] : registry_.sessions()) {
    ++figures.sessions_in(session->plan().room);
  }
  figures.tasks += server_->task_counts();
  if (!jobs_.is_open()) return;
  for (const JobStatus status : {JobStatus::Pending, JobStatus::Running, JobStatus::Completed,
                                 JobStatus::Failed, JobStatus::Cancelled}) {
    figures.jobs_that_are(status) += jobs_.list({status, 1}).total;
  }
}

// --- the end -------------------------------------------------------------------------------------

void Workspace::interrupt(const std::string& why) {
  registry_.interrupt_all(why);
  if (scripts_) scripts_->cancel_foreground();
}

void Workspace::flush() {
  if (scripts_) scripts_->tidy();
  jobs_.flush();
}

}  // namespace pyember::host

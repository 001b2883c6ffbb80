#include "host/session/server_rooms.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <utility>

namespace pyember::host {

namespace {

// "3.13" of "3.13.5".
std::string minor_version(const std::string& version) {
  const std::size_t first = version.find('.');
  if (first == std::string::npos) return version;
  return version.substr(0, version.find('.', first + 1));
}

std::string packages_of(const ReadyEnvironment& environment) {
  return fmt::format("{}/lib/python{}/site-packages", environment.root,
                     minor_version(environment.version));
}

std::string listed(const std::vector<std::string>& dependencies) {
  std::string text;
  for (const std::string& each : dependencies) text += (text.empty() ? "" : ", ") + each;
  return text;
}

// What the environments say of a missing uv or Python is meant for scripts: without what only those
// can do instead.
Error for_sessions(const Error& error) {
  std::string text = error.message;
  for (const std::string_view type : {"OSError: ", "ValueError: "}) {
    if (text.starts_with(type)) text.erase(0, type.size());
  }
  if (const auto advice = text.find(", or pass use_uv=false"); advice != std::string::npos) {
    text.replace(advice, std::string::npos, ".");
  }
  return {error.code, "The cell was not run: " + text};
}

Error not_prepared(const SessionPlan& plan, const EnvironmentFailure& failure) {
  if (failure.missing) return for_sessions(*failure.missing);
  const std::string what = plan.dependencies.empty()
                               ? fmt::format("Python {}", plan.python_version)
                               : fmt::format("the packages {}", listed(plan.dependencies));
  return {ErrorCode::Unavailable,
          fmt::format("The cell was not run, because {} could not be installed; uv says:\n{}\n"
                      "Nothing of the session was changed. Correct the names or versions, and see "
                      "that the machine reaches its package index, then send the cell again.",
                      what, failure.stderr_text)};
}

}  // namespace

ServerRooms::ServerRooms(EventLoop& loop, RuntimeSource runtime,
                         const PythonEnvironment& environment, Environments& environments)
    : loop_(loop),
      runtime_(std::move(runtime)),
      environment_(environment),
      environments_(environments) {}

std::unique_ptr<embed::Session> ServerRooms::open_in_process(embed::SessionOptions options,
                                                             embed::SessionListener& listener) {
  return runtime_().open_session(std::move(options), listener);
}

std::unique_ptr<embed::Session> ServerRooms::open_worker(const WorkerPlace& place,
                                                         const WorkerLimits& limits,
                                                         embed::SessionOptions options,
                                                         embed::SessionListener& listener) {
  if (options.working_directory.empty()) {
    std::error_code failed;
    options.working_directory = std::filesystem::current_path(failed).string();
  }
  return workers().open_session(place, limits, std::move(options), listener);
}

BoundaryRooms& ServerRooms::boundaries() {
  if (!boundaries_) {
    BoundaryRooms::Settings settings{{}, read_container_settings(), {}};
    settings.sandbox.runtime_directory = find_runtime_directory();
    settings.sandbox.bundled_directory = find_bundled_directory();
    settings.sandbox.folders = find_boundary_folders_directory();
    settings.sandbox.falls_back_to_fence = falls_back_to_fence_;
    settings.allowed = allowed_;
    boundaries_ = std::make_unique<BoundaryRooms>(loop_, std::move(settings));
  }
  return *boundaries_;
}

Workers& ServerRooms::workers() {
  if (!workers_) {
    workers_.emplace(
        loop_, Workers::Settings{find_runtime_directory(), preloaded_, &boundaries(), spares_});
  }
  return *workers_;
}

void ServerRooms::warm(Isolation room) { workers().warm(own_place(boundary_of(room))); }

void ServerRooms::change_packages(embed::Session& worker, const WorkerPlace& place) {
  dynamic_cast<WorkerSession&>(worker).change_packages(place);
}

std::unique_ptr<embed::Session> ServerRooms::open_copy(embed::Session& worker,
                                                       embed::SessionOptions options,
                                                       embed::SessionListener& listener,
                                                       Copied copied) {
  return workers().open_copy(worker, std::move(options), listener, std::move(copied));
}

void ServerRooms::keep_copies(embed::Session& worker, std::size_t count) {
  dynamic_cast<WorkerSession&>(worker).keep_copies(count);
}

std::size_t ServerRooms::copies_kept(const embed::Session& worker) const {
  const auto* session = dynamic_cast<const WorkerSession*>(&worker);
  return session != nullptr ? session->copies_kept() : 0;
}

void ServerRooms::when_free(embed::Session& worker, std::function<void()> callback) {
  dynamic_cast<WorkerSession&>(worker).when_free(std::move(callback));
}

Result<embed::CellNumber> ServerRooms::undo(embed::Session& worker, std::size_t steps,
                                            Copied ready) {
  return dynamic_cast<WorkerSession&>(worker).undo(steps, std::move(ready));
}

WorkerPlace ServerRooms::own_place(Boundary boundary) const {
  if (boundary == Boundary::Container) return {"python3", {}, {}, boundary};
  return {environment_.executable, environment_.site_directories, environment_.root, boundary};
}

std::uint64_t ServerRooms::prepare(const SessionPlan& plan, Prepared done) {
  EnvironmentKey key{plan.python_version, plan.dependencies, plan.resolved_on,
                     boundary_of(plan.room) != Boundary::None};
  const bool own_python = key.python_version.empty();
  if (own_python) key.python_version = PYEMBER_PYTHON_EXECUTABLE;
  return environments_.prepare(std::move(key), [this, plan, own_python, done = std::move(done)](
                                                   std::optional<ReadyEnvironment> ready,
                                                   EnvironmentFailure failure) {
    if (!ready) return done(not_prepared(plan, failure));
    WorkerPlace place{ready->python, {packages_of(*ready)}, ready->root, boundary_of(plan.room)};
    // What the server's own environment has stays importable beside it.
    const bool same = own_python || minor_version(ready->version) == PYEMBER_PYTHON_VERSION;
    if (same) {
      for (const std::string& each : environment_.site_directories) {
        place.site_directories.push_back(each);
      }
    }
    done(PreparedPlace{std::move(place), std::move(ready->locked), std::move(ready->in_use)});
  });
}

void ServerRooms::cancel(std::uint64_t request) { environments_.cancel(request); }

void ServerRooms::end(std::chrono::milliseconds deadline) {
  if (workers_) workers_->end(deadline);
  if (boundaries_) boundaries_->end();
}

}  // namespace pyember::host

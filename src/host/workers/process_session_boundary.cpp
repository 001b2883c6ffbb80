#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "host/loop/pool_work.h"
#include "host/workers/boundary_files.h"
#include "host/workers/process_session.h"

// What a session behind a boundary needs besides: neither packages nor states of the server's can
// be seen from there, so they are brought through.

namespace pyember::host {

namespace {

// In the session's folder, hidden from its clients.
constexpr const char* kStateName = ".pyember-put-state";

}  // namespace

void ProcessSession::tell_of_room() {
  const std::shared_ptr<ZygoteRoom> room = worker_ ? worker_->room() : nullptr;
  std::string notice = room ? room->first_notice() : std::string();
  if (!notice.empty()) notices_.push_back(std::move(notice));
}

// Environments are made for a Python of the server's side, and an image has its own.
void ProcessSession::tell_of_other_python() {
  const std::string version = worker_ ? worker_->version() : std::string();
  const std::string minor = version.substr(0, version.rfind('.'));
  const auto made_for_another = [&minor](const std::string& site) {
    return site.find("/lib/python") != std::string::npos &&
           site.find("/lib/python" + minor + "/") == std::string::npos;
  };
  if (minor.empty() || std::none_of(order_.sites.begin(), order_.sites.end(), made_for_another)) {
    return;
  }
  notices_.push_back(fmt::format(
      "The packages were made for another Python than the {} that runs here: those with compiled "
      "parts can't be imported. Use an image whose Python is the server's, {}.",
      version, PYEMBER_PYTHON_VERSION));
}

// Cells that come meanwhile wait.
void ProcessSession::bring_in(const WorkerPlace& place) {
  const std::shared_ptr<ZygoteRoom> room = worker_ ? worker_->room() : nullptr;
  if (!room) {
    // It begins with them: its worker is not there yet.
    order_.sites = place.site_directories;
    order_.root = place.root;
    return;
  }
  ++bringing_;
  auto brought = std::make_shared<Result<WorkerPlace>>(place);
  run_in_pool(
      loop_, [room, place, brought] { *brought = room->bring_in(place); },
      [this, brought, alive = std::weak_ptr<const bool>(measuring_)] {
        if (alive.expired()) return;
        --bringing_;
        if (*brought) {
          order_.sites = brought->value().site_directories;
          order_.root = brought->value().root;
          new_packages_ = true;
          if (worker_) tell_of_other_python();
        } else {
          notices_.push_back(brought->error().message);
        }
        advance();
      });
}

// A state to be read is put where the session sees it, one to be written is fetched from there.
void ProcessSession::hand_in_state(embed::CellRequest& request) {
  if (request.kind != embed::CellKind::Snapshot && request.kind != embed::CellKind::Restore) return;
  // Texts may follow, behind zero bytes.
  const std::size_t end = std::min(request.code.find('\0'), request.code.size());
  const std::string outside = request.code.substr(0, end);
  const std::string_view behind = std::string_view(request.code).substr(end);
  const std::string_view texts = behind.substr(std::min<std::size_t>(1, behind.size()));
  state_about_ = texts.substr(0, texts.find('\0'));
  request.code.replace(0, end, fmt::format("{}/{}", order_.folder, kStateName));
  if (request.kind == embed::CellKind::Snapshot) {
    state_path_ = outside;
  } else if (const auto put = copy_in(outside, worker_->folder(), kStateName); !put) {
    notices_.push_back(put.error().message);  // the worker will say that there is none
  }
}

void ProcessSession::take_out_state(embed::CellOutcome& outcome) {
  const std::string path = std::exchange(state_path_, {});
  if (outcome.status != embed::Status::Completed) return;
  if (const auto taken = copy_state_out(worker_->folder(), kStateName, path, state_about_);
      !taken) {
    outcome.status = embed::Status::Raised;
    const std::string& why = taken.error().message;
    outcome.error = embed::CellError{"OSError", why, "OSError: " + why + "\n"};
  }
}

}  // namespace pyember::host

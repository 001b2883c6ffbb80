#include <ctime>
#include <utility>

#include "base/limits.h"
#include "host/session/host_session.h"
#include "host/session/session_registry.h"
#include "host/state/state_file.h"
#include "mcp/json.h"

// A session's state goes to a file and comes from one, as cells of their own kinds that stand in
// the queue like all others: behind what was sent before, in front of what is sent later.

namespace pyember::host {

embed::CellNumber HostSession::save(StateOrder order, std::unique_ptr<CellObserver> observer) {
  CellSpec spec;
  spec.kind = embed::CellKind::Snapshot;
  spec.code = std::move(order.path);
  if (order.use == StateOrder::Use::Kept) {
    spec.code += '\0' + told_about(next_number_ - 1, next_number_ + 1) + '\0' + order.more;
  }
  spec.timeout = order.timeout;
  return submit(std::move(spec), std::move(observer)).value();  // only wishes are refused
}

std::string HostSession::told_about(embed::CellNumber cell, embed::CellNumber next) const {
  return to_text({name_, cell, next, std::time(nullptr), plan_});
}

// The session has become another since the save was sent.
void HostSession::tell_again(embed::CellRequest& save) const {
  const std::size_t begin = save.code.find('\0') + 1;
  if (begin == 0) return;
  save.code.replace(begin, save.code.find('\0', begin) - begin,
                    told_about(save.number - 1, save.number + 1));
}

bool HostSession::may_checkpoint() const {
  if (busy() || !link_ || !link_has_run_) return false;
  // A checkpoint is written by the worker itself, and behind a boundary it can't reach the file.
  if (boundary_of(plan_.room) != Boundary::None) return false;
  // What it may not write to includes the folder of checkpoints.
  if (plan_.confinement.write_paths) return false;
  return is_worker(plan_.room) || memory_bytes() <= limits::kCheckpointMemory;
}

void HostSession::checkpoint(const std::string& path, std::uint64_t maximum_bytes) {
  std::string state = path + '\0' + told_about(last_ended_, next_number_) + '\0';
  if (history_.held() <= limits::kCheckpointHistory) {
    state += mcp::to_json_text(history_.to_json());
  }
  registry_.cpus().leave_home(*this);
  link_->session().checkpoint({std::move(state), maximum_bytes, limits::kCheckpointTimeout});
}

void HostSession::begin_when_used(std::string path, MakeObserver observer) {
  seed_ = std::make_unique<Seed>(Seed{std::move(path), std::move(observer)});
}

void HostSession::begin_now() {
  if (!seed_) return;
  const std::unique_ptr<Seed> seed = std::move(seed_);
  SessionPlan plan = plan_;
  begin_with(std::move(plan), seed->path, registry_.settings().carry_timeout, seed->observer());
}

embed::CellNumber HostSession::restore(std::string path, std::chrono::milliseconds timeout,
                                       std::unique_ptr<CellObserver> observer) {
  CellSpec spec;
  spec.kind = embed::CellKind::Restore;
  spec.code = std::move(path);
  spec.timeout = timeout;
  return submit(std::move(spec), std::move(observer)).value();
}

embed::CellNumber HostSession::begin_with(SessionPlan plan, std::string path,
                                          std::chrono::milliseconds timeout,
                                          std::unique_ptr<CellObserver> observer) {
  // The number before its first one is free in the session below: nothing is counted for this.
  const embed::CellNumber number = first_number_ > 1 ? first_number_ - 1 : next_number_++;
  begun_with_state_ = true;
  Cell& cell = cells_.emplace_back();
  cell.number = number;
  cell.timeout = timeout;
  cell.kind = embed::CellKind::Restore;
  cell.code_excerpt = excerpt_of(cell.kind, {});
  cell.observer = std::move(observer);
  if (cells_.size() == 1) cell.running_since_ns = busy_since_ns_ = now_ns();
  hold({number, std::move(path), timeout, embed::CellKind::Restore}, std::move(plan), nullptr);
  return number;
}

}  // namespace pyember::host

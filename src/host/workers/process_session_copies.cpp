#include <fmt/format.h>

#include <utility>

#include "base/limits.h"
#include "base/thread_affinity.h"
#include "host/loop/pool_work.h"
#include "host/workers/process_memory.h"
#include "host/workers/process_session.h"

// Copies of a session's worker: those that become sessions of their own, and those that are kept to
// go back to. Either is forked when the worker is free, in its turn among the cells.

namespace pyember::host {

namespace {

// The folder and the name stay as the worker has them.
ForkOrder order_of_copy(const ForkOrder& order) {
  ForkOrder copy = order;
  copy.name.clear();
  copy.folder.clear();
  return copy;
}

}  // namespace

ProcessSession::ProcessSession(ProcessSession& original, embed::SessionOptions options,
                               embed::SessionListener& listener, Copied copied)
    : loop_(original.loop_),
      source_(original.source_->of_copy()),
      order_(original.order_),
      listener_(listener),
      original_(&original),
      copied_(std::move(copied)),
      parked_(loop_, [this] { turn_.start(std::chrono::milliseconds(0)); }),
      packages_changed_(original.packages_changed_),
      timer_(loop_, [this] { time_is_over(); }),
      turn_(loop_, [this] { turn(); }) {
  if (source_->bounded()) options.folder = options.working_directory = {};  // there is one of each
  if (!options.name.empty()) order_.name = std::move(options.name);
  if (!options.folder.empty()) order_.folder = std::move(options.folder);
  if (!options.working_directory.empty()) {
    order_.working_directory = std::move(options.working_directory);
  }
  if (original.lost_ || !pipes_.valid()) {
    not_copied(original.lost_ ? "the session that it is a copy of is lost"
                              : "the server's descriptors have run out (ulimit -n)");
    return;
  }
  original.wanted_copies_.push_back(
      {original.queue_.empty() ? 0 : original.queue_.back().number, this});
  original.turn_.start(std::chrono::milliseconds(0));
}

// False: its turn has not come.
bool ProcessSession::make_wanted_copy() {
  const WantedCopy next = wanted_copies_.front();
  if (!queue_.empty() && queue_.front().number <= next.after) return false;
  wanted_copies_.pop_front();
  leave_home_cpu();
  next.session->begin_as_copy(*worker_);
  return true;
}

// A copy begins where its original may run, and three processes are at work for a moment.
void ProcessSession::leave_home_cpu() {
  if (plain_) release_process_to_all_cpus(worker_->pid());
}

void ProcessSession::begin_as_copy(WorkerProcess& worker) {
  ForkOrder order = order_;
  if (order.folder == original_->order_.folder) order.folder.clear();
  original_ = nullptr;
  WorkerProcess::Owner& owner = *this;
  worker_ = std::make_unique<WorkerProcess>(loop_, worker, order, pipes_, owner);
}

// What it was to be a copy of has gone, or it could not even be asked for.
void ProcessSession::not_copied(const std::string& why) {
  original_ = nullptr;
  why_not_copied_ = fmt::format("The session could not be copied, because {}.", why);
  turn_.start(std::chrono::milliseconds(0));
}

void ProcessSession::tell_copied(Result<std::vector<std::string>> left) {
  if (const Copied told = std::exchange(copied_, nullptr)) told(std::move(left));
}

void ProcessSession::worker_forked() {
  tell_free();
  advance();
}

void ProcessSession::when_free(std::function<void()> callback) {
  when_free_.push_back(std::move(callback));
  if (!worker_ || !worker_->forking()) tell_free();
}

void ProcessSession::tell_free() {
  for (const auto& callback : std::exchange(when_free_, {})) callback();
}

// --- states to go back to ------------------------------------------------------------------------

// True: a copy is being forked first.
bool ProcessSession::park_before(embed::CellNumber cell) {
  if (!parked_.wants(cell)) return false;
  leave_home_cpu();
  parked_.park(*worker_, order_of_copy(order_), pipes_, cell);
  return worker_->forking();
}

Result<embed::CellNumber> ProcessSession::undo(std::size_t steps, Copied ready) {
  const bool busy = running_ || !queue_.empty() || reset_ticket_ || undrained_ != 0 ||
                    (worker_ && worker_->forking());
  if (busy && !lost_) {
    return Error{ErrorCode::Unavailable, "a cell runs or waits"};
  }
  Result<ParkedCopies::State> state = parked_.take_back(steps);
  if (!state) return state.error();
  // HomeCpu must not believe the other process to be where this one was held.
  if (worker_ && std::exchange(plain_, false)) release_process_to_all_cpus(worker_->pid());
  worker_ = std::move(state.value().worker);
  worker_->set_owner(*this);
  // What threads of the former one printed belongs to nothing any more.
  pipes_.discard();
  lost_ = false;
  undrained_ = 0;
  new_packages_ = packages_changed_;
  asked_ticket_.reset();
  memory_kills_ = worker_->memory_kills_in_group();
  measured_ = {};
  measure_family();
  copied_ = std::move(ready);
  calls_untold_ = worker_->ready();
  if (calls_untold_) turn_.start(std::chrono::milliseconds(0));
  if (worker_->ready()) tell_copied(worker_->left());
  return state.value().cell;
}

// What worker and copies share is private to none of them, so none of them can tell.
void ProcessSession::measure_family() {
  if (Clock::now() - measured_ < limits::kFamilyMemoryPeriod || !worker_) return;
  measured_ = Clock::now();
  auto processes = parked_.processes();
  processes.push_back(worker_->pid());
  auto found = std::make_shared<std::int64_t>(0);
  run_in_pool(
      loop_, [processes = std::move(processes), found] { *found = memory_together(processes); },
      [this, found, alive = std::weak_ptr<const bool>(measuring_)] {
        if (!alive.expired() && *found > 0) memory_bytes_ = *found;
      });
}

}  // namespace pyember::host

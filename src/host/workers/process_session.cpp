#include "host/workers/process_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "base/thread_affinity.h"

namespace pyember::host {

namespace {

using std::chrono::milliseconds;

// However late our own timer is, a cell has been asked this often before force is used.
constexpr int kLeastAsked = 4;

double in_seconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

milliseconds until(std::chrono::steady_clock::time_point when) {
  const auto left = when - std::chrono::steady_clock::now();
  return std::max(std::chrono::ceil<milliseconds>(left), milliseconds(1));
}

}  // namespace

ProcessSession::ProcessSession(EventLoop& loop, std::unique_ptr<Source> source, ForkOrder order,
                               embed::SessionListener& listener)
    : loop_(loop),
      source_(std::move(source)),
      order_(std::move(order)),
      listener_(listener),
      parked_(loop, [this] { turn_.start(milliseconds(0)); }),
      timer_(loop, [this] { time_is_over(); }),
      turn_(loop, [this] { turn(); }) {
  if (pipes_.valid()) open_worker();
  tell_of_room();
  if (!worker_) turn_.start(milliseconds(0));
}

ProcessSession::~ProcessSession() {
  tell_free();
  parked_.clear();  // before the worker, which may be about to make one
  if (original_ != nullptr) {
    std::erase_if(original_->wanted_copies_,
                  [this](const WantedCopy& each) { return each.session == this; });
  }
  for (const WantedCopy& each : wanted_copies_) {
    each.session->not_copied("the session that it is a copy of was closed before its turn came");
  }
}

void ProcessSession::open_worker() {
  new_packages_ = false;
  plain_ = false;
  memory_bytes_ = 0;
  memory_kills_ = 0;
  if (Zygote* zygote = source_->zygote()) {
    WorkerProcess::Owner& owner = *this;
    worker_ = std::make_unique<WorkerProcess>(loop_, *zygote, order_, pipes_, owner);
  }
}

// --- cells ---------------------------------------------------------------------------------------

void ProcessSession::submit(embed::CellRequest request) {
  if (lost_) return;
  queue_.push_back(std::move(request));
  advance();
}

bool ProcessSession::withdraw(embed::CellNumber number) {
  const auto found = std::find_if(
      queue_.begin(), queue_.end(),
      [number](const embed::CellRequest& request) { return request.number == number; });
  if (found == queue_.end()) return false;
  queue_.erase(found);
  return true;
}

std::vector<embed::CellRequest> ProcessSession::take_back() {
  std::vector<embed::CellRequest> requests(std::make_move_iterator(queue_.begin()),
                                           std::make_move_iterator(queue_.end()));
  queue_.clear();
  return requests;
}

void ProcessSession::output_drained(embed::CellNumber number) {
  if (number < undrained_ || undrained_ == 0) return;
  undrained_ = 0;
  if (reset_ticket_) turn_.start(milliseconds(0));
  advance();
}

void ProcessSession::inspect(std::uint64_t ticket) {
  inspect_ticket_ = ticket;
  advance();
}

void ProcessSession::checkpoint(embed::CheckpointOrder order) {
  if (is_free() && queue_.empty()) {
    const std::string header = checkpoint_header(order);
    worker_->send(header, std::move(order.state));
  }
}

void ProcessSession::change_packages(const WorkerPlace& place) {
  if (!source_->bounded()) {
    order_.sites = place.site_directories;
    order_.root = place.root;
  }
  source_->packages_changed(place);
  packages_changed_ = true;
  if (lost_) return;
  if (source_->bounded()) return bring_in(place);
  new_packages_ = true;
  advance();
}

// The worker can be told something: it is there, and nothing of an earlier call is unfinished.
bool ProcessSession::is_free() const {
  return !lost_ && worker_ && worker_->ready() && !worker_->end() && !worker_->forking() &&
         !running_ && !reset_ticket_ && undrained_ == 0 && bringing_ == 0;
}

void ProcessSession::advance() {
  if (!is_free()) return;
  if (std::exchange(new_packages_, false)) {
    worker_->send(packages_header(order_.sites, order_.root));
  }
  if (inspect_ticket_ && !asked_ticket_) {
    asked_ticket_ = std::exchange(inspect_ticket_, std::nullopt);
    worker_->send(names_header(*asked_ticket_));
  }
  if (!wanted_copies_.empty() && make_wanted_copy()) return;
  if (queue_.empty()) return;
  if (order_.limits.wall_time && used_ >= *order_.limits.wall_time) {
    turn_.start(milliseconds(0));  // they are answered there
    return;
  }
  if (queue_.front().kind == embed::CellKind::Code && park_before(queue_.front().number)) return;
  embed::CellRequest request = std::move(queue_.front());
  queue_.pop_front();
  send_cell(std::move(request));
}

void ProcessSession::send_cell(embed::CellRequest request) {
  // Libraries count the CPUs they may use when they are imported.
  if (plain_ && request.code.find("import") != std::string::npos) {
    release_process_to_all_cpus(worker_->pid());
  }
  if (request.begun != nullptr) request.begun->store(1, std::memory_order_relaxed);
  running_ = embed::RunningCell{request.number, Clock::now()};
  set_deadline(request);
  cause_ = Cause::None;
  times_asked_ = 0;
  timer_.start(until(deadline()));
  if (request.kind != embed::CellKind::Code && source_->bounded()) hand_in_state(request);
  const std::string header = cell_header(request);
  if (request.kind == embed::CellKind::Code) source_->code_given(request.code);
  worker_->send(header, std::move(request.code));
}

// How long a cell may run: the least of what its call, its own limit and the session's allow.
void ProcessSession::set_deadline(const embed::CellRequest& request) {
  call_deadline_ = running_->since + request.timeout;
  wall_deadline_ = Clock::time_point::max();
  if (request.kind != embed::CellKind::Code) return;
  if (request.limits && request.limits->wall_time) {
    const Clock::duration time = *request.limits->wall_time;
    wall_deadline_ = running_->since + time;
    wall_notice_ = fmt::format(
        "The cell was stopped because it had run for the {:g} s of wall time that this call "
        "allowed (limits.wall_seconds). The session is intact.",
        in_seconds(time));
  }
  if (!order_.limits.wall_time) return;
  const Clock::time_point used_up = running_->since + (*order_.limits.wall_time - used_);
  if (used_up < wall_deadline_) {
    wall_deadline_ = used_up;
    wall_notice_ = fmt::format(
        "The cell was stopped because the session's cells have run for the {:g} s of wall time "
        "that it was given (limits.wall_seconds); it runs no more. Go on in a new session with a "
        "higher limit.",
        in_seconds(*order_.limits.wall_time));
  }
}

// The caller's timeout alone: limits of wall time are for whatever a cell does meanwhile.
void ProcessSession::move_deadline(embed::CellNumber number, std::chrono::nanoseconds by) {
  if (!running_ || running_->number != number || cause_ != Cause::None) return;
  call_deadline_ += by;
  timer_.start(until(deadline()));
}

// The session has used up its wall time: what waits is answered, not run.
void ProcessSession::refuse_cells_without_time() {
  const std::string why = fmt::format(
      "The cell was not run: the session's cells have run for the {:g} s of wall time that it was "
      "given (limits.wall_seconds). Go on in a new session with a higher limit.",
      in_seconds(*order_.limits.wall_time));
  for (const embed::CellRequest& each : std::exchange(queue_, {})) {
    embed::CellOutcome outcome;
    outcome.status = embed::Status::Raised;
    outcome.error = embed::CellError{"WallTimeExceeded", why, "WallTimeExceeded: " + why + "\n"};
    listener_.cell_finished(each.number, std::move(outcome), false);
  }
}

embed::Status ProcessSession::status_of(DoneStatus told) const {
  // Code that catches the KeyboardInterrupt may end as it likes. The same is said of a stop that
  // comes when the code is through.
  if (told == DoneStatus::Completed) return embed::Status::Completed;
  if (cause_ == Cause::Timeout) return embed::Status::TimedOut;
  if (cause_ == Cause::Interrupt) return embed::Status::Interrupted;
  return embed::Status::Raised;
}

void ProcessSession::worker_ready() {
  // It is as empty as a reset leaves it, also when that was asked for before it was there.
  replacing_ = false;
  if (worker_->folder() >= 0) listener_.folder_opened(worker_->folder(), order_.folder);
  if (source_->bounded()) tell_of_other_python();
  tell_of_calls();
  tell_copied(worker_->left());
  if (const auto ticket = std::exchange(reset_ticket_, std::nullopt)) {
    listener_.reset_finished(*ticket);
  }
  advance();
}

void ProcessSession::tell_of_calls() {
  calls_untold_ = false;
  listener_.calls_opened(worker_->calls());
}

void ProcessSession::worker_done(CellDone& done) {
  if (!running_ || running_->number != done.cell) {
    worker_->break_off("an outcome of a cell that does not run");
    return;
  }
  if (plain_ && !done.plain) release_process_to_all_cpus(worker_->pid());
  plain_ = done.plain;
  if (done.memory_bytes && parked_.kept() == 0) memory_bytes_ = *done.memory_bytes;
  done.outcome.status = status_of(done.status);
  if (order_.limits.memory_bytes && worker_->memory_kills_in_group() > memory_kills_) {
    memory_kills_ = worker_->memory_kills_in_group();
    done.outcome.notices.push_back(fmt::format(
        "The kernel killed a process that the session had started, for memory: the session and "
        "what it starts may use {} MB together (limits.memory_mb).",
        *order_.limits.memory_bytes / 1'000'000));
  }
  if (source_->bounded()) {
    if (!state_path_.empty()) take_out_state(done.outcome);
    for (std::string& each : std::exchange(notices_, {})) {
      done.outcome.notices.push_back(std::move(each));
    }
  }
  // What the cell wrote is in the pipes by now, or has been read while it ran.
  finish_cell(std::move(done.outcome), !pipes_.empty());
  advance();
}

void ProcessSession::finish_cell(embed::CellOutcome outcome, bool has_output) {
  const embed::CellNumber number = running_->number;
  outcome.elapsed = Clock::now() - running_->since;
  used_ += outcome.elapsed;
  if (cause_ == Cause::Timeout && wall_deadline_ < call_deadline_) {
    outcome.notices.push_back(std::move(wall_notice_));
  }
  running_.reset();
  timer_.stop();
  if (parked_.kept() != 0) measure_family();
  if (has_output) undrained_ = number;
  if (reset_ticket_) turn_.start(milliseconds(0));
  listener_.cell_finished(number, std::move(outcome), has_output);
}

void ProcessSession::worker_names(WorkerNames& names) {
  if (!asked_ticket_ || *asked_ticket_ != names.ticket) {
    worker_->break_off("a list of names that nobody asked for");
    return;
  }
  asked_ticket_.reset();
  listener_.names_ready(names.ticket, std::move(names.names));
  advance();
}

// --- stopping ------------------------------------------------------------------------------------

void ProcessSession::interrupt(embed::CellNumber number) {
  if (running_ && (number == 0 || number == running_->number)) stop(Cause::Interrupt);
}

void ProcessSession::stop(Cause cause) {
  if (cause_ != Cause::None || worker_->end()) return;
  cause_ = cause;
  stop_began_ = Clock::now();
  ask();
}

void ProcessSession::ask() {
  worker_->ask_to_stop(running_->number);
  const bool first = times_asked_++ == 0;
  timer_.start(first ? limits::kWorkerAskAgain : limits::kWorkerAskPeriod);
}

void ProcessSession::time_is_over() {
  if (!running_) return;
  // On a busy machine its end may have been told already.
  const embed::CellNumber number = running_->number;
  worker_->read_now();
  if (!running_ || running_->number != number || worker_->end()) return;
  if (cause_ == Cause::None) {
    // The loop's clock may have been behind when the timer was set.
    if (Clock::now() < deadline()) return timer_.start(until(deadline()));
    return stop(Cause::Timeout);
  }
  const bool over = Clock::now() - stop_began_ >= limits::kWorkerStopGrace;
  if (over && times_asked_ >= kLeastAsked) return stop_by_force();
  ask();
}

void ProcessSession::stop_by_force() {
  const bool resetting = reset_ticket_.has_value();
  embed::CellOutcome outcome;
  outcome.error =
      describe_forced_stop(cause_ == Cause::Timeout ? "its time was over" : "it was asked to");
  // A reset would have thrown the state away in any case.
  outcome.status = resetting ? embed::Status::Interrupted : embed::Status::Lost;
  const std::string reason = outcome.error->message;
  if (resetting) {
    end_worker_for_reset();
  } else {
    worker_.reset();
  }
  finish_cell(std::move(outcome), true);
  if (!resetting) lose(reason);
}

// --- ends and resets -----------------------------------------------------------------------------

void ProcessSession::reset(std::uint64_t ticket) {
  if (lost_) return;
  reset_ticket_ = ticket;
  for (const WantedCopy& each : std::exchange(wanted_copies_, {})) {
    each.session->not_copied("the session that it is a copy of was reset before its turn came");
  }
  if (running_) {
    stop(Cause::Interrupt);
  } else {
    turn_.start(milliseconds(0));
  }
}

void ProcessSession::worker_ended() { turn_.start(milliseconds(0)); }

void ProcessSession::turn() {
  parked_.forget_ended();
  if (lost_ || original_ != nullptr) return;
  if (!worker_ && !why_not_copied_.empty()) return lose(why_not_copied_);
  if (!worker_) {
    return lose(
        pipes_.valid()
            ? "The session could not be opened, because the server is ending. Start it again."
            : "The session could not be opened, because the server's descriptors have run out. "
              "Close sessions, or raise the limit on open files (ulimit -n).");
  }
  if (worker_->end()) return look_at_end();
  if (calls_untold_) tell_of_calls();
  if (!wanted_copies_.empty()) advance();
  if (is_free() && order_.limits.wall_time && used_ >= *order_.limits.wall_time) {
    refuse_cells_without_time();
  }
  if (!reset_ticket_ || replacing_ || running_ || undrained_ != 0 || !worker_->ready()) return;
  end_worker_for_reset();
}

void ProcessSession::end_worker_for_reset() {
  replacing_ = true;
  parked_.clear();
  inspect_ticket_.reset();
  asked_ticket_.reset();
  // HomeCpu must not believe the next process to be where this one was held.
  if (plain_) release_process_to_all_cpus(worker_->pid());
  worker_->replace();
}

void ProcessSession::look_at_end() {
  const WorkerEnd end = *worker_->end();
  if (end.kind == WorkerEnd::Kind::Replaced) {
    // What the last cell printed is read first.
    if (undrained_ == 0) replace_worker();
    return;
  }
  worker_.reset();
  embed::CellError error = describe_end(end, order_.limits);
  const std::string reason = error.message;
  if (running_) {
    embed::CellOutcome outcome;
    outcome.status = embed::Status::Lost;
    outcome.error = std::move(error);
    finish_cell(std::move(outcome), true);
  }
  lose(reason);
}

void ProcessSession::replace_worker() {
  // What threads printed after the last cell belongs to no cell of the empty session.
  worker_.reset();
  pipes_.discard();
  open_worker();
  if (!worker_) turn_.start(milliseconds(0));
}

void ProcessSession::lose(const std::string& reason) {
  lost_ = true;
  queue_.clear();
  timer_.stop();
  turn_.stop();
  worker_.reset();
  for (const WantedCopy& each : std::exchange(wanted_copies_, {})) each.session->not_copied(reason);
  tell_copied(Error{ErrorCode::Unavailable, reason});
  tell_free();
  listener_.session_lost(reason);
}

}  // namespace pyember::host

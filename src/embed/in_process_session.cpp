#include "embed/in_process_session.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "embed/session_thread.h"

namespace pyember::embed {

InProcessSession::InProcessSession(InterpreterPool& pool, SessionOptions options,
                                   SessionListener& listener, std::uint64_t serial)
    : core_(std::make_shared<SessionCore>(std::move(options), listener, serial)) {
  if (core_->pipes.valid()) {
    pool.assign(core_);
    return;
  }
  listener.session_lost(
      "The session could not be opened, because the server's descriptors have run out. Close "
      "sessions, or raise the limit on open files (ulimit -n).");
}

InProcessSession::~InProcessSession() {
  core_->detach_listener();
  {
    const std::lock_guard lock(core_->mutex);
    core_->closing = true;
    core_->awaited.store(true, std::memory_order_relaxed);
    core_->queue.clear();
    core_->pipes.close();
    if (core_->thread && core_->running) core_->thread->interrupt(StopCause::Close);
  }
  core_->changed.notify_one();
}

void InProcessSession::submit(CellRequest request) {
  {
    const std::lock_guard lock(core_->mutex);
    core_->queue.push_back(std::move(request));
    core_->awaited.store(true, std::memory_order_relaxed);
  }
  core_->changed.notify_one();
}

bool InProcessSession::withdraw(CellNumber number) {
  const std::lock_guard lock(core_->mutex);
  auto& queue = core_->queue;
  const auto found = std::find_if(queue.begin(), queue.end(), [number](const CellRequest& request) {
    return request.number == number;
  });
  if (found == queue.end()) return false;
  queue.erase(found);
  return true;
}

std::vector<CellRequest> InProcessSession::take_back() {
  const std::lock_guard lock(core_->mutex);
  std::vector<CellRequest> requests(std::make_move_iterator(core_->queue.begin()),
                                    std::make_move_iterator(core_->queue.end()));
  core_->queue.clear();
  core_->held_back = false;
  return requests;
}

void InProcessSession::interrupt(CellNumber number) {
  const std::lock_guard lock(core_->mutex);
  if (!core_->thread || !core_->running) return;
  if (number && number != core_->running) return;
  core_->thread->interrupt(StopCause::Interrupt);
}

// Under the lock, as interrupts are.
void InProcessSession::move_deadline(CellNumber number, std::chrono::nanoseconds by) {
  const std::lock_guard lock(core_->mutex);
  if (core_->thread && core_->running == number) core_->thread->move_deadline(by);
}

void InProcessSession::output_drained(CellNumber number) {
  {
    const std::lock_guard lock(core_->mutex);
    core_->drained = std::max(core_->drained, number);
  }
  core_->changed.notify_one();
}

void InProcessSession::inspect(std::uint64_t ticket) {
  {
    const std::lock_guard lock(core_->mutex);
    core_->inspect_ticket = ticket;
    core_->awaited.store(true, std::memory_order_relaxed);
  }
  core_->changed.notify_one();
}

void InProcessSession::reset(std::uint64_t ticket) {
  {
    const std::lock_guard lock(core_->mutex);
    core_->reset_ticket = ticket;
    core_->awaited.store(true, std::memory_order_relaxed);
    if (core_->thread && core_->running) core_->thread->interrupt(StopCause::Interrupt);
  }
  core_->changed.notify_one();
}

void InProcessSession::checkpoint(CheckpointOrder order) {
  {
    const std::lock_guard lock(core_->mutex);
    if (core_->running || !core_->queue.empty() || core_->reset_ticket || core_->inspect_ticket) {
      return;
    }
    core_->awaited.store(false, std::memory_order_relaxed);
    core_->checkpoint = std::move(order);
  }
  core_->changed.notify_one();
}

void InProcessSession::give_calls(const CallPipes* pipes) {
  const std::lock_guard lock(core_->mutex);
  if (core_->calls.state != CallEnds::State::Wanted) return;
  if (pipes == nullptr) {
    core_->calls = {CallEnds::State::Refused, -1, -1};
  } else {
    core_->calls = {CallEnds::State::Given, pipes->session_calls(), pipes->session_answers()};
  }
}

std::optional<RunningCell> InProcessSession::running() const {
  const std::lock_guard lock(core_->mutex);
  if (!core_->running) return std::nullopt;
  return RunningCell{core_->running, core_->running_since};
}

std::int64_t InProcessSession::memory_bytes() const {
  const std::lock_guard lock(core_->mutex);
  return core_->thread ? core_->thread->memory_bytes() : 0;
}

pid_t InProcessSession::thread_id() const {
  const std::lock_guard lock(core_->mutex);
  return core_->thread ? core_->thread->thread_id() : 0;
}

void InProcessSession::reading_output(bool reading) {
  const std::uint64_t epoch = core_->read_epoch.load();
  CHECK((epoch % 2 == 1) != reading);
  core_->read_epoch.store(epoch + 1);
}

}  // namespace pyember::embed

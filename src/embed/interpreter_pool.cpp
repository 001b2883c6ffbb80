#include "embed/interpreter_pool.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/limits.h"
#include "embed/session_thread.h"

namespace pyember::embed {

namespace {

// Making several at once slows each down (eight at once: 39-50 ms instead of 5).
constexpr std::size_t kMadeAtOnce = 1;

// A session's first cell is not to share the memory's lock, and a CPU, with the making of the next
// spare: that waits so long.
constexpr std::chrono::milliseconds kCalm{4};

}  // namespace

bool InterpreterPool::lacks_spares() const {
  if (!failure_.empty() || resting_ || being_made_ >= kMadeAtOnce) return false;
  if (retired_ >= limits::kMaximumRetired) return false;
  return spare_.size() + being_made_ < spares_ + waiting_.size();
}

bool InterpreterPool::wants_more() const {
  return lacks_spares() && (!waiting_.empty() || Clock::now() >= calm_until_);
}

std::chrono::milliseconds InterpreterPool::pause() const {
  const std::lock_guard lock(mutex_);
  if (!lacks_spares()) return std::chrono::milliseconds::max();
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(calm_until_ - Clock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

void InterpreterPool::assign(std::shared_ptr<SessionCore> core) {
  SessionThread* thread = nullptr;
  bool more = false;
  {
    std::unique_lock lock(mutex_);
    resting_ = false;
    if (!spare_.empty()) {
      thread = spare_.back();
      spare_.pop_back();
      serving_++;
      calm_until_ = Clock::now() + kCalm;
    } else {
      waiting_.push_back(core);
      const std::string why = failure_.empty() ? used_up() : failure_;
      if (!why.empty()) return turn_away(std::move(lock), why);
    }
    more = lacks_spares();
  }
  if (thread) thread->serve(std::move(core));
  if (more) run_later_({});
}

std::string InterpreterPool::used_up() const {
  if (retired_ < limits::kMaximumRetired) return {};
  return fmt::format(
      "No session can be opened: {} interpreters were given up, which is the limit, because their "
      "memory can't be returned. Code that never stops or crashes did that, or confined sessions "
      "that were closed. Use a session that is open, close one so that its interpreter is free "
      "again, or restart the server.",
      retired_);
}

bool InterpreterPool::take_order() {
  const std::lock_guard lock(mutex_);
  if (!wants_more()) return false;
  being_made_++;
  return true;
}

void InterpreterPool::offer_new(SessionThread& thread) { offer(thread, being_made_); }
void InterpreterPool::offer_again(SessionThread& thread) { offer(thread, serving_); }

void InterpreterPool::offer(SessionThread& thread, std::size_t& leaves) {
  std::shared_ptr<SessionCore> next;
  {
    const std::lock_guard lock(mutex_);
    leaves--;
    made_one_ = true;
    if (thread.is_lost()) return;  // between its last look and this one
    if (waiting_.empty()) {
      spare_.push_back(&thread);
    } else {
      next = std::move(waiting_.front());
      waiting_.pop_front();
      serving_++;
    }
  }
  if (next) thread.serve(std::move(next));
  run_later_({});
}

void InterpreterPool::runtime_failed(const std::string& why) {
  std::unique_lock lock(mutex_);
  failure_ = why;
  turn_away(std::move(lock), why);
}

void InterpreterPool::making_failed(const std::string& why) {
  std::unique_lock lock(mutex_);
  being_made_--;
  resting_ = true;
  turn_away(std::move(lock), why);
}

void InterpreterPool::turn_away(std::unique_lock<std::mutex> lock, const std::string& why) {
  const std::deque<std::shared_ptr<SessionCore>> waiting = std::move(waiting_);
  waiting_.clear();
  lock.unlock();
  for (const auto& core : waiting) {
    core->notify([&why](SessionListener& listener) { listener.session_lost(why); });
  }
}

void InterpreterPool::lost(SessionThread& thread, std::int64_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    retired_++;
    retired_bytes_ += bytes;
    const auto found = std::find(spare_.begin(), spare_.end(), &thread);
    if (found != spare_.end()) {
      spare_.erase(found);
    } else if (thread.is_serving()) {
      serving_--;
    }
  }
  run_later_({});
}

InterpreterPool::Counts InterpreterPool::counts() const {
  const std::lock_guard lock(mutex_);
  return {spare_.size(), serving_, retired_, retired_bytes_};
}

bool InterpreterPool::has_made_one() const {
  const std::lock_guard lock(mutex_);
  return made_one_;
}

std::string InterpreterPool::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace pyember::embed

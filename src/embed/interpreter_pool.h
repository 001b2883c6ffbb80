#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "embed/session_core.h"

namespace pyember::embed {

class SessionThread;

// Who has an interpreter and who waits for one. Thread-safe; nothing here blocks or touches Python.
class InterpreterPool {
 public:
  struct Counts {
    std::size_t spare = 0;
    std::size_t serving = 0;
    std::size_t retired = 0;
    std::int64_t retired_bytes = 0;
  };

  using Chore = std::function<void()>;

  // `run_later` has a chore done on the runtime's thread, and wakes that thread to look whether an
  // interpreter should be made (an empty chore does only that). Called on any thread.
  InterpreterPool(std::size_t spares, std::function<void(Chore)> run_later)
      : spares_(spares), run_later_(std::move(run_later)) {}

  void run_later(Chore chore) { run_later_(std::move(chore)); }

  // Loop thread: the session gets a spare now, or the next interpreter that is ready.
  void assign(std::shared_ptr<SessionCore> core);

  // The runtime's thread: may another interpreter be started now? Counts it as being made.
  bool take_order();
  // The same thread: how long until it should ask again, if that is not the usual.
  std::chrono::milliseconds pause() const;

  // A session's thread: it has an interpreter and nothing to do; for the first time, or again.
  void offer_new(SessionThread& thread);
  void offer_again(SessionThread& thread);

  // CPython itself did not start: no session will ever get an interpreter.
  void runtime_failed(const std::string& why);

  // One interpreter could not be made: the sessions that wait are told `why`; the next session
  // tries again.
  void making_failed(const std::string& why);

  // A thread that had been offered will run nothing more; its memory stays.
  void lost(SessionThread& thread, std::int64_t bytes);

  Counts counts() const;
  bool has_made_one() const;
  // Why CPython did not start; empty while all is well.
  std::string failure() const;

 private:
  using Clock = std::chrono::steady_clock;

  bool lacks_spares() const;
  bool wants_more() const;
  // Why no interpreter may be made although one is wanted; empty: it may.
  std::string used_up() const;
  void offer(SessionThread& thread, std::size_t& leaves);
  // Tells the sessions that wait and forgets them; releases the lock.
  void turn_away(std::unique_lock<std::mutex> lock, const std::string& why);

  const std::size_t spares_;
  const std::function<void(Chore)> run_later_;
  mutable std::mutex mutex_;
  std::vector<SessionThread*> spare_;
  std::deque<std::shared_ptr<SessionCore>> waiting_;
  Clock::time_point calm_until_{};  // a session has just been given its interpreter
  std::size_t being_made_ = 0;
  bool made_one_ = false;
  std::size_t serving_ = 0;
  std::size_t retired_ = 0;
  std::int64_t retired_bytes_ = 0;
  bool resting_ = false;  // the last attempt failed; none is made until a session asks
  std::string failure_;
};

}  // namespace pyember::embed

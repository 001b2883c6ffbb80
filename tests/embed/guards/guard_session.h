#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "embed/session_slot.h"

namespace pyember::test {

using namespace std::chrono_literals;

inline constexpr std::chrono::milliseconds kLong = 20s;  // what must happen has happened by then

// Runs Python code as a session would run it, without the session: an own-GIL interpreter on a
// thread of its own that has left the shared descriptor table and entered a slot. What guards a
// session can then be seen one piece at a time. Interpreter, slot and thread are never ended.
class GuardSession {
 public:
  explicit GuardSession(std::string code, std::int64_t memory_budget = 0);
  ~GuardSession();

  embed::SessionSlot& slot() { return state_->slot; }

  // The text of the variable `result`, or "Type: message" of the exception that left the code;
  // nothing when it did not end in time.
  std::optional<std::string> wait(std::chrono::milliseconds limit = kLong);

  // Waits until the code, to which `ready` and `serial` are given, has set up what it waits for: it
  // calls ready().
  bool wait_until_ready();

  // Does what the stopper does: raises the level and wakes the session's threads again and again.
  void stop(embed::StopLevel level);
  void condemn();

  bool wait_until_parked();

 private:
  struct State {
    embed::SessionSlot slot;
    std::string code;
    std::string text;
    std::atomic<bool> ready{false};
    std::atomic<bool> done{false};
  };

  static void run(State* state);
  void wake();

  State* state_;  // leaked: a parked thread keeps pointing at it
  std::atomic<bool> waking_{false};
  std::thread waker_;
};

// The result of code that runs to its end.
std::string run_code(const std::string& code, std::int64_t memory_budget = 0);

}  // namespace pyember::test

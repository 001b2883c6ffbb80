#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "embed/confinement.h"
#include "embed/interpreter.h"
#include "embed/session_core.h"
#include "embed/session_slot.h"
#include "embed/stopper.h"

namespace pyember::embed {

class InterpreterPool;

// An OS thread with an interpreter, its own descriptor table, cwd and umask. It serves one session
// after the other and is never destroyed: a parked thread keeps pointing at it, and interpreters
// are not ended.
class SessionThread final : public Stoppable {
 public:
  // Starts the thread; it makes its interpreter and reports to the pool.
  static SessionThread& start(const RuntimeOptions& options, InterpreterPool& pool,
                              Stopper& stopper);

  const RuntimeOptions& options() const { return options_; }
  bool is_lost() const { return lost_; }
  bool is_serving() const { return stage_ == Stage::Serving; }
  std::int64_t memory_bytes() const { return slot_.memory_used; }
  pid_t thread_id() const { return slot_.threads[0].tid; }
  void interrupt(StopCause cause) {
    stop_.request(cause);
    stopper_.wake();
  }
  void move_deadline(StopState::Clock::duration by) {
    stopper_.note_deadline(stop_.move_deadline(by));
  }

  // Gives a spare thread its session. Called once for each time it was handed out by the pool.
  void serve(std::shared_ptr<SessionCore> core);

  // --- called by the native module, attached, on any of the session's threads
  void stoppable(bool on);
  // The session's ends of the pipes by which its code asks the server, opened for good: those for
  // calls and for answers. Waits for the loop; detached. An error: why there are none.
  struct Calls {
    int calls = -1;
    int answers = -1;
  };
  Result<Calls> open_calls();
  bool stop_requested() const { return stop_.cause() != StopCause::None || checkpoint_is_late(); }
  // While a checkpoint is written: a cell is there, or something else that must not wait.
  bool cell_waits() const {
    const SessionCore* core = checkpointing_.load(std::memory_order_acquire);
    return core && core->awaited.load(std::memory_order_relaxed);
  }

  // The session thread the calling thread belongs to; null elsewhere.
  static SessionThread* current();

  // --- Stoppable
  StopState& stop_state() override { return stop_; }
  SessionSlot& slot() override { return slot_; }
  void ask(std::uint64_t region) override;
  void insist(std::uint64_t region) override;
  void report_lost() override;

  // User code runs on the session's own thread and must stop.
  bool must_stop() const;

 private:
  SessionThread(const RuntimeOptions& options, InterpreterPool& pool, Stopper& stopper)
      : options_(options), pool_(pool), stopper_(stopper) {}

  static void* thread_main(void* self);
  void run();
  bool prepare();
  // False: the thread was lost meanwhile and must stop.
  bool become_spare();
  std::shared_ptr<SessionCore> wait_for_session();
  // False: the thread must not serve another session.
  bool serve_session(SessionCore& core);
  static void leave(SessionCore& core);
  // What confines the session; null: nothing does.
  Result<std::unique_ptr<Fence>> fence_for(const SessionCore& core);
  bool open_session(SessionCore& core, bool has_pipes, std::unique_ptr<Fence> fence);
  bool serve_requests(SessionCore& core);
  struct Ran {
    bool has_output = false;  // the cell left output in the pipes
    bool usable = true;       // false: the runtime is damaged
  };
  Ran run_cell(SessionCore& core, CellRequest& request, bool mended);
  CellOutcome outcome_of(RunResult result, StopCause cause) const;
  bool wrote_output(const SessionCore& core, std::uint64_t epoch_before) const;
  void write_checkpoint(SessionCore& core, const CheckpointOrder& order);
  bool checkpoint_is_late() const {
    return checkpointing_.load(std::memory_order_acquire) &&
           StopState::Clock::now() >= checkpoint_ends_;
  }
  bool reset_session(SessionCore& core, std::uint64_t ticket);
  bool close_session();
  bool end_everything();
  // Runs `work` as a service the stopper watches; parks when it took for ever.
  template <typename Work>
  auto watched(std::chrono::milliseconds deadline, Work work);
  void begin_service(std::chrono::milliseconds deadline);
  void end_service();

  static int on_ask(void* self);
  static int on_insist(void* self);

  const RuntimeOptions& options_;
  InterpreterPool& pool_;
  Stopper& stopper_;
  StopState stop_;
  SessionSlot slot_;
  std::unique_ptr<Interpreter> interpreter_;
  PyInterpreterState* interpreter_state_ = nullptr;

  enum class Stage { Making, Spare, Serving };

  std::mutex mutex_;
  std::condition_variable assigned_;
  std::shared_ptr<SessionCore> core_;
  std::atomic<Stage> stage_{Stage::Making};  // written under mutex_
  std::atomic<bool> lost_{false};            // written under mutex_; final

  std::atomic<std::uint64_t> asked_region_{0};
  bool exception_pending_ = false;  // with the GIL: an asynchronous exception was set
  bool tracing_ = false;            // with the GIL: the insisting trace function is in place

  std::atomic<SessionCore*> checkpointing_{nullptr};  // set by its own thread
  StopState::Clock::time_point checkpoint_ends_{};
};

}  // namespace pyember::embed

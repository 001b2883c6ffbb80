#include "embed/session_thread.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/limits.h"
#include "base/thread_name.h"
#include "embed/attached.h"
#include "embed/children.h"
#include "embed/interpose_locale.h"
#include "embed/interpreter_pool.h"
#include "embed/memory_account.h"
#include "embed/python_gil.h"
#include "embed/python_trace.h"
#include "embed/session_descriptors.h"
#include "embed/signals.h"

// The life of a session's thread: leave the tables shared with the server, make an interpreter,
// then serve one session after the other. Wherever it comes back from Python it settles with the
// stopper who was first (stop_state.h); a thread that was condemned meanwhile parks itself and
// never touches anything shared again. It holds SessionCore::mutex only while it is not in Python.

extern "C" int _PyEval_AddPendingCall(PyInterpreterState*, int (*)(void*), void*, int);

namespace pyember::embed {

namespace {

constexpr std::size_t kStackBytes = 16u << 20;  // virtual; deep recursion in C fits, overflow parks
constexpr std::chrono::milliseconds kMakeDeadline{30'000};
constexpr std::chrono::milliseconds kOpenDeadline{10'000};
constexpr std::chrono::milliseconds kInspectDeadline{5'000};
constexpr std::chrono::milliseconds kCloseDeadline{5'000};
constexpr std::chrono::milliseconds kThreadsDeadline{500};
constexpr std::chrono::milliseconds kChildrenDeadline{1'000};
constexpr std::chrono::milliseconds kCheckpointGrace{5'000};  // beyond the time it was given
constexpr std::chrono::milliseconds kReportGrace{100};        // to format a traceback after a stop

// For the loop to give pipes to a session that asks for them.
constexpr std::chrono::milliseconds kCallsDeadline{10'000};
constexpr std::chrono::microseconds kShortestPause{20};
constexpr std::chrono::microseconds kLongestPause{1'000};

constexpr char kNoCalls[] =
    "Nothing can be asked of the server from this session: it is ending, or has no descriptors "
    "left. Close sessions, and call again.";

constexpr char kMended[] =
    "An earlier cell had closed descriptor 1 or 2 (stdout, stderr), so they were opened again "
    "before this one. To drop output use contextlib.redirect_stdout.";

[[noreturn]] void give_up() noexcept { park_current_thread(ParkReason::Stopped); }

const char* signal_name(int signal_number) {
#ifdef __GLIBC__
  if (const char* name = sigabbrev_np(signal_number)) return name;
#endif
  return "NAL";
}

std::string why_lost(const SessionSlot& slot, StopCause cause) {
  const int signal_number = slot.crash_signal;
  switch (slot.park_reason.load()) {
    case ParkReason::Crashed:
      return fmt::format(
          "The code crashed with SIG{} ({}), so its session's state is gone; the other sessions go "
          "on. The next call with this session's name starts a fresh one. Avoid the failing call "
          "(ctypes and very deep recursion are the usual causes).",
          signal_name(signal_number), strsignal(signal_number));
    case ParkReason::Exited:
      return "The code tried to end the process, which the other sessions share, so its thread was "
             "stopped and its session's state is gone. The next call with this session's name "
             "starts a fresh one. Use sys.exit() to end a cell.";
    default:
      break;
  }
  const char* when = cause == StopCause::Timeout ? "its time was over" : "it was asked to";
  return fmt::format(
      "The cell did not stop when {}: it sat in C code or in a system call that never looks. It "
      "was stopped by force and its session's state is gone. The next call with this session's "
      "name starts a fresh one; split the work into smaller steps, or give it more time.",
      when);
}

CellOutcome lost_outcome(const SessionSlot& slot, StopCause cause) {
  CellOutcome outcome;
  outcome.status = Status::Lost;
  const char* type = slot.park_reason == ParkReason::Crashed ? "Crash" : "Stopped";
  const std::string why = why_lost(slot, cause);
  std::string traceback;
  if (slot.crash_text_ready.load(std::memory_order_acquire) && slot.crash_text[0]) {
    traceback = fmt::format("Python stack (innermost call first):\n{}", slot.crash_text);
  }
  traceback += fmt::format("{}: {}\n", type, why);
  outcome.error = CellError{type, why, std::move(traceback)};
  return outcome;
}

// malloc grows a thread's arena by the page, with a system call each, and a first cell needs tens
// of them. Grown beforehand, up to where malloc would shrink it again; no memory is touched.
void grow_arena() {
  constexpr std::size_t kBelowTrimThreshold = 100u << 10;
  void* volatile block = std::malloc(kBelowTrimThreshold);
  std::free(block);
}

}  // namespace

SessionThread& SessionThread::start(const RuntimeOptions& options, InterpreterPool& pool,
                                    Stopper& stopper) {
  auto* thread = new SessionThread(options, pool, stopper);  // for ever, see the class comment
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t handle{};
  const int failed = pthread_create(&handle, &attributes, thread_main, thread);
  pthread_attr_destroy(&attributes);
  if (failed) {
    pool.making_failed(
        fmt::format("no thread could be started for a session ({}). Close sessions, or raise the "
                    "limit on processes.",
                    strerror(failed)));
  }
  return *thread;
}

SessionThread* SessionThread::current() {
  return current_slot ? static_cast<SessionThread*>(current_slot->owner) : nullptr;
}

void* SessionThread::thread_main(void* self) {
  static_cast<SessionThread*>(self)->run();
  return nullptr;
}

void SessionThread::run() {
  name_thread("pyember-session");
  if (!prepare()) return;
  grow_arena();
  if (!become_spare()) give_up();
  pool_.offer_new(*this);
  for (;;) {
    const std::shared_ptr<SessionCore> core = wait_for_session();
    if (!serve_session(*core)) give_up();
    if (!become_spare()) give_up();
    pool_.offer_again(*this);
  }
}

bool SessionThread::become_spare() {
  const std::lock_guard lock(mutex_);
  if (lost_) return false;
  core_.reset();
  stage_ = Stage::Spare;
  return true;
}

bool SessionThread::prepare() {
  slot_.owner = this;
  slot_.memory_budget = options_.memory_budget_bytes;
  if (!leave_shared_tables()) {
    pool_.making_failed(
        "No session can be opened: its thread could not get descriptors of its own, because they "
        "have run out. Close sessions, or raise the limit on open files.");
    return false;
  }
  enter_slot(slot_);
  stopper_.watch(*this);
  begin_service(kMakeDeadline);
  auto interpreter = Interpreter::create(options_);
  end_service();
  if (!interpreter) {
    pool_.making_failed(interpreter.error().message);
    return false;
  }
  interpreter_ = interpreter.take();
  interpreter_state_ = interpreter_->state();
  own_thread_state = interpreter_->thread_state();
  return true;
}

void SessionThread::serve(std::shared_ptr<SessionCore> core) {
  bool lost = false;
  {
    const std::lock_guard lock(mutex_);
    stage_ = Stage::Serving;
    lost = lost_;
    if (!lost) core_ = core;
  }
  assigned_.notify_one();
  if (!lost) return;
  core->notify([](SessionListener& listener) {
    listener.session_lost(
        "The interpreter meant for the session crashed just before: a thread that an earlier "
        "session left in C code did that. Call again.");
  });
}

std::shared_ptr<SessionCore> SessionThread::wait_for_session() {
  std::unique_lock lock(mutex_);
  assigned_.wait(lock, [this] { return core_ != nullptr; });
  return core_;
}

void SessionThread::begin_service(std::chrono::milliseconds deadline) {
  const auto until = StopState::Clock::now() + deadline;
  if (!stop_.begin(until)) give_up();
  stopper_.note_deadline(until);
}

void SessionThread::end_service() {
  if (!stop_.end()) give_up();
}

template <typename Work>
auto SessionThread::watched(std::chrono::milliseconds deadline, Work work) {
  begin_service(deadline);
  auto answer = work();
  end_service();
  return answer;
}

bool SessionThread::serve_session(SessionCore& core) {
  bool has_pipes = false;
  {
    const std::lock_guard lock(core.mutex);
    if (core.closing) return true;
    core.thread = this;
    // Under the lock, because the handle closes the server's ends.
    has_pipes = take_descriptors(core.pipes);
  }
  auto fence = fence_for(core);
  if (!fence) {  // nothing has happened to this thread
    core.notify([&](SessionListener& listener) { listener.session_lost(fence.error().message); });
    leave(core);
    return true;
  }
  const bool confined = fence.value() != nullptr;
  if (!open_session(core, has_pipes, fence.take())) return false;
  if (!serve_requests(core)) return false;
  const bool clean = close_session();
  leave(core);
  if (confined) release_descriptors();
  return clean && !confined;
}

void SessionThread::leave(SessionCore& core) {
  const std::lock_guard lock(core.mutex);
  core.thread = nullptr;
}

Result<std::unique_ptr<Fence>> SessionThread::fence_for(const SessionCore& core) {
  const SessionOptions& options = core.options;
  if (!options.confinement.any()) return std::unique_ptr<Fence>();
  return watched(kOpenDeadline, [&] { return Fence::make(options.confinement, options.folder); });
}

bool SessionThread::open_session(SessionCore& core, bool has_pipes, std::unique_ptr<Fence> fence) {
  slot_.session_serial = core.serial;
  slot_.memory_refusals = 0;
  Result<void> opened =
      Error{ErrorCode::Internal,
            "The session could not be opened, because its output pipes could not be: /proc is "
            "missing, or descriptors have run out. Mount /proc, or raise the limit on open files."};
  if (has_pipes) {
    opened = watched(kOpenDeadline, [&] { return interpreter_->open(core.options, core.serial); });
  }
  if (opened && fence) opened = fence->put_up();
  fence.reset();  // its descriptor must not be found by the session's code
  if (opened) return true;
  const std::string why = opened.error().message;
  core.notify([&why](SessionListener& listener) { listener.session_lost(why); });
  return false;
}

bool SessionThread::serve_requests(SessionCore& core) {
  CellNumber undrained = 0;
  bool seen_open = false;
  std::unique_lock lock(core.mutex);
  for (;;) {
    core.changed.wait(lock, [&] {
      const bool may_run = core.drained >= undrained && !core.queue.empty() && !core.held_back &&
                           (!core.only_carries || core.queue.front().kind == CellKind::Snapshot);
      return core.closing || slot_.condemned || core.reset_ticket || core.inspect_ticket ||
             core.checkpoint || may_run;
    });
    if (slot_.condemned) {
      lock.unlock();
      give_up();
    }
    if (core.closing) return true;
    if (core.reset_ticket) {
      const std::uint64_t ticket = *std::exchange(core.reset_ticket, std::nullopt);
      lock.unlock();
      if (!reset_session(core, ticket)) return false;
      lock.lock();
    } else if (core.inspect_ticket) {
      const std::uint64_t ticket = *std::exchange(core.inspect_ticket, std::nullopt);
      lock.unlock();
      auto names = watched(kInspectDeadline, [this] { return interpreter_->names(); });
      core.notify(
          [&](SessionListener& listener) { listener.names_ready(ticket, std::move(names)); });
      lock.lock();
    } else if (core.checkpoint) {
      const CheckpointOrder order = *std::exchange(core.checkpoint, std::nullopt);
      if (!core.queue.empty()) continue;  // a cell is quicker
      lock.unlock();
      write_checkpoint(core, order);
      lock.lock();
    } else {
      CellRequest request = std::move(core.queue.front());
      core.queue.pop_front();
      core.running = request.number;
      core.running_since = StopState::Clock::now();
      slot_.stop = StopLevel::None;
      // Under the lock: an interrupt for this cell can't fall between the two.
      const auto deadline = core.running_since + request.timeout;
      const bool begun = stop_.begin(deadline);
      const bool mended = !seen_open && mend_descriptors(core.pipes);
      lock.unlock();
      if (!begun) give_up();
      stopper_.note_deadline(deadline);
      Ran ran = run_cell(core, request, mended);
      if (ran.has_output) undrained = request.number;
      // A cell without output was found so by asking both pipes; what else could close them since?
      seen_open = !ran.has_output && slot_.thread_count.load() <= 1;
      if (!ran.usable) return false;
      lock.lock();
    }
  }
}

// Asked for by nobody, so the ladder must not end a session for it: the runtime looks by itself
// whether its time is over or a cell waits. Only what hangs far beyond that is stopped.
void SessionThread::write_checkpoint(SessionCore& core, const CheckpointOrder& order) {
  checkpoint_ends_ = StopState::Clock::now() + order.timeout;
  checkpointing_.store(&core, std::memory_order_release);
  (void)watched(order.timeout + kCheckpointGrace, [&] { return interpreter_->checkpoint(order); });
  checkpointing_.store(nullptr, std::memory_order_release);
}

SessionThread::Ran SessionThread::run_cell(SessionCore& core, CellRequest& request, bool mended) {
  const std::uint64_t epoch = core.read_epoch.load();
  const auto begun = StopState::Clock::now();
  if (request.begun != nullptr) request.begun->store(1, std::memory_order_relaxed);
  RunResult result = interpreter_->run(request);
  const StopCause cause = stop_.body_cause();
  if (!stop_.end()) give_up();
  Ran ran;
  ran.usable = result.kind != RunResult::Kind::Broken;
  CellOutcome outcome = outcome_of(std::move(result), cause);
  outcome.elapsed = StopState::Clock::now() - begun;
  if (mended) outcome.notices.emplace_back(kMended);
  if (!outcome.needs_worker.empty()) outcome.code = std::move(request.code);
  ran.has_output = wrote_output(core, epoch);
  {
    const std::lock_guard lock(core.mutex);
    core.running = 0;
    if (!outcome.needs_worker.empty()) core.only_carries = core.held_back = true;
  }
  core.notify([&](SessionListener& listener) {
    listener.cell_finished(request.number, std::move(outcome), ran.has_output);
  });
  return ran;
}

// The pipes are the truth: what children and C code wrote went there too. "Nothing" is only
// certain when they are empty and the loop took nothing out meanwhile.
bool SessionThread::wrote_output(const SessionCore& core, std::uint64_t epoch_before) const {
  const bool untouched = core.read_epoch.load() == epoch_before && epoch_before % 2 == 0;
  return !(untouched && pipes_are_empty(core.pipes) && core.read_epoch.load() == epoch_before);
}

CellOutcome SessionThread::outcome_of(RunResult result, StopCause cause) const {
  CellOutcome outcome;
  if (result.kind == RunResult::Kind::Broken) {
    outcome.status = Status::Lost;
    const std::string detail = result.notices.empty() ? "unknown" : result.notices.front();
    outcome.error = CellError{
        "Broken",
        fmt::format("The session's runtime was damaged by code that ran in it ({}), so the session "
                    "was ended. The next call with its name starts a fresh one.",
                    detail),
        ""};
    return outcome;
  }
  if (result.kind == RunResult::Kind::NeedsWorker) {
    outcome.needs_worker = result.result.value_or("it needs a process of its own");
    return outcome;
  }
  // Code that catches the KeyboardInterrupt may end as it likes; a state is carried as far as the
  // time allows, and what was left behind stands in the notices.
  if (result.kind == RunResult::Kind::Completed) {
    outcome.status = Status::Completed;
  } else if (cause == StopCause::Timeout) {
    outcome.status = Status::TimedOut;
  } else if (cause != StopCause::None) {
    outcome.status = Status::Interrupted;
  } else {
    outcome.status = Status::Raised;
  }
  outcome.result = std::move(result.result);
  outcome.error = std::move(result.error);
  outcome.notices = std::move(result.notices);
  outcome.displays = std::move(result.displays);
  return outcome;
}

bool SessionThread::reset_session(SessionCore& core, std::uint64_t ticket) {
  // What threads and finalisers print meanwhile belongs to no cell: it would stand at the head of
  // the next one's output, most often as tracebacks of threads that were told to end.
  mute_descriptors();
  bool clean =
      watched(kCloseDeadline, [this] { return end_everything() && interpreter_->reset(); });
  {
    const std::lock_guard lock(core.mutex);
    if (!core.closing) clean = take_descriptors(core.pipes) && clean;
    core.only_carries = core.held_back = false;
  }
  if (clean) {
    core.notify([ticket](SessionListener& listener) { listener.reset_finished(ticket); });
  } else {
    core.notify([](SessionListener& listener) {
      listener.session_lost(
          "The session could not be brought back to a clean state, so it was ended. The next call "
          "with its name starts a fresh one.");
    });
  }
  return clean;
}

bool SessionThread::close_session() {
  return watched(kCloseDeadline, [this] { return end_everything() && interpreter_->close(); });
}

// What the session left behind outside its interpreter. True: none of its threads is left.
bool SessionThread::end_everything() {
  {
    const ServerScope server;  // it signals and reaps, which session code may not
    end_children(slot_, kChildrenDeadline);
    set_thread_locale(nullptr);
  }
  return interpreter_->end_threads(kThreadsDeadline);
}

void SessionThread::report_lost() {
  std::shared_ptr<SessionCore> core;
  bool making = false;
  {
    const std::lock_guard lock(mutex_);
    core = core_;
    lost_ = true;
    making = stage_ == Stage::Making;
  }
  if (interpreter_) pyember_calm_gil_waits(interpreter_state_);
  if (making) {
    return pool_.making_failed(
        "No session can be opened: making its interpreter crashed or took too long. See whether "
        "the Python it embeds still works, then call again.");
  }
  pool_.lost(*this, slot_.memory_used);
  if (!core) return;
  CellNumber number = 0;
  std::chrono::steady_clock::time_point since;
  {
    const std::lock_guard lock(core->mutex);
    number = std::exchange(core->running, 0);
    since = core->running_since;
    core->thread = nullptr;
  }
  CellOutcome outcome = lost_outcome(slot_, stop_.cause());
  outcome.elapsed = StopState::Clock::now() - since;
  const std::string reason = outcome.error->message;
  pool_.run_later([this] { end_children(slot_, kChildrenDeadline); });
  core->notify([&](SessionListener& listener) {
    if (number) listener.cell_finished(number, std::move(outcome), true);
    listener.session_lost(reason);
  });
}

// --- stopping user code --------------------------------------------------------------------------

Result<SessionThread::Calls> SessionThread::open_calls() {
  std::shared_ptr<SessionCore> core;
  {
    const std::lock_guard lock(mutex_);
    core = core_;
  }
  if (!core) return Error{ErrorCode::Unavailable, kNoCalls};
  {
    const std::lock_guard lock(core->mutex);
    core->calls = {CallEnds::State::Wanted, -1, -1};
  }
  core->notify([](SessionListener& listener) { listener.calls_wanted(); });
  // The loop answers within a turn; once in a session's life, so nothing is made to wake this.
  const auto deadline = StopState::Clock::now() + kCallsDeadline;
  for (auto pause = kShortestPause; StopState::Clock::now() < deadline; pause *= 2) {
    {
      const ServerScope server;
      std::this_thread::sleep_for(std::min(pause, kLongestPause));
    }
    const std::lock_guard lock(core->mutex);
    if (core->closing || core->calls.state == CallEnds::State::Refused) break;
    if (core->calls.state != CallEnds::State::Given) continue;
    const CallEnds given = std::exchange(core->calls, CallEnds{});
    // Under the lock, because the handle closes the server's ends.
    const Calls opened{open_server_pipe(given.calls, O_WRONLY),
                       open_server_pipe(given.answers, O_RDONLY)};
    if (opened.calls >= 0 && opened.answers >= 0) return opened;
    const ServerScope server;
    if (opened.calls >= 0) ::close(opened.calls);
    if (opened.answers >= 0) ::close(opened.answers);
    return Error{ErrorCode::Unavailable,
                 "The server can't be asked: the session's descriptors have run out, or /proc is "
                 "missing. Close files, and call again."};
  }
  return Error{ErrorCode::Unavailable, kNoCalls};
}

void SessionThread::stoppable(bool on) {
  if (!on_session_thread()) return;  // code of the session's other threads is never a cell's body
  if (on) {
    if (stop_.phase() == Phase::Body) return;
    if (!stop_.enter_body()) give_up();
    allow_memory_for_code(slot_);
    return;
  }
  if (stop_.phase() != Phase::Body) {
    if (stop_.phase() == Phase::Condemned) give_up();
    return;
  }
  if (!stop_.leave_body(kReportGrace)) give_up();
  allow_memory_for_runtime(slot_);
  slot_.stop = StopLevel::None;
  if (std::exchange(exception_pending_, false)) {
    PyThreadState_SetAsyncExc(interpreter_->thread_state()->thread_id, nullptr);
  }
  if (std::exchange(tracing_, false)) PyEval_SetTraceAllThreads(nullptr, nullptr);
}

bool SessionThread::must_stop() const {
  if (stop_.cause() == StopCause::None) return false;
  if (stop_.phase() == Phase::Body) return true;
  return stop_.phase() == Phase::Service && stop_.reporting() &&
         StopState::Clock::now() >= stop_.deadline();
}

void SessionThread::ask(std::uint64_t region) {
  asked_region_ = region;
  _PyEval_AddPendingCall(interpreter_state_, on_ask, this, 0);
}

void SessionThread::insist(std::uint64_t region) {
  asked_region_ = region;
  _PyEval_AddPendingCall(interpreter_state_, on_insist, this, 0);
}

// Runs attached, on whichever of the session's threads reaches an eval breaker first.
int SessionThread::on_ask(void* self) {
  auto& thread = *static_cast<SessionThread*>(self);
  if (!thread.must_stop() || thread.stop_.region() != thread.asked_region_) return 0;
  if (on_session_thread()) {
    PyErr_SetNone(PyExc_KeyboardInterrupt);
    return -1;
  }
  thread.exception_pending_ = true;
  PyThreadState_SetAsyncExc(thread.interpreter_->thread_state()->thread_id,
                            PyExc_KeyboardInterrupt);
  return 0;
}

int SessionThread::on_insist(void* self) {
  auto& thread = *static_cast<SessionThread*>(self);
  if (!thread.must_stop() || thread.stop_.region() != thread.asked_region_) return 0;
  thread.tracing_ = true;
  PyEval_SetTraceAllThreads(raise_in_user_code, nullptr);
  return on_ask(self);
}

}  // namespace pyember::embed

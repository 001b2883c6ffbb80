#pragma once

#include <pthread.h>
#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

// The part of a session that signal handlers, interposed libc functions and allocator hooks may
// touch: plain atomics, reachable through one thread-local pointer, never freed while the process
// lives (a parked thread keeps pointing at it).
namespace pyember::embed {

// How far the ladder has gone with the running cell. Only rises while a cell runs; back to None
// before the next one starts. At `Asked` and above an interrupted wait fails with ECANCELED
// instead of being restarted, so that the KeyboardInterrupt already pending is seen.
enum class StopLevel : std::uint32_t { None = 0, Asked = 1, Insisted = 2, Park = 3 };

// Why a thread was parked; written once, by the thread itself.
enum class ParkReason : std::uint32_t { None = 0, Stopped, Crashed, Exited };

inline constexpr std::size_t kMaximumSlotThreads = 256;
inline constexpr std::size_t kCrashTextBytes = 8192;

struct LockWaiter;

// Taken only without the GIL. The stopper only ever tries, so a thread parked in a wrong place
// cannot hold it up.
struct LockWaiters {
  std::mutex mutex;
  LockWaiter* first = nullptr;
};

// One OS thread that belongs to a session: its own thread, or one that code of it started.
// Send signals with tgkill to `tid`, never through `handle`: the thread may end at any moment, and
// the handle of a detached thread that has ended points at freed memory.
struct SlotThread {
  std::atomic<bool> alive{false};
  std::atomic<bool> parked{false};
  std::atomic<pid_t> tid{0};
  pthread_t handle{};
};

struct SessionSlot {
  std::atomic<StopLevel> stop{StopLevel::None};
  // Set when the session is given up: every thread of it parks at the next opportunity, in any
  // wait, and never comes back. Never cleared.
  std::atomic<bool> condemned{false};

  // Set while the session is being closed: waits on every thread of it behave as if a stop had
  // been asked for, so that its threads can be ended.
  std::atomic<bool> ending{false};

  // Code closed or replaced descriptor 1 or 2: what is there may not be the session's pipe.
  std::atomic<bool> outputs_touched{false};

  std::atomic<ParkReason> park_reason{ParkReason::None};
  std::atomic<int> crash_signal{0};
  std::atomic<bool> crash_text_ready{false};
  char crash_text[kCrashTextBytes] = {};  // the Python stack, written by the crash handler

  std::atomic<std::int64_t> memory_used{0};
  std::atomic<std::int64_t> memory_budget{0};  // 0: no budget
  std::atomic<std::uint64_t> memory_refusals{0};
  // Above the budget when larger than it; see allow_memory_for_code() in memory_account.h.
  std::atomic<std::int64_t> memory_small_limit{0};
  std::atomic<std::int64_t> memory_large_limit{0};
  std::atomic<std::int64_t> memory_small_cap{0};

  // Threads that wait for one of the session's locks; see locks.h.
  LockWaiters lock_waiters;

  // threads[0] is the session's own. A slot's entry is claimed by a compare-exchange on `alive`.
  SlotThread threads[kMaximumSlotThreads];
  std::atomic<std::uint32_t> thread_count{0};

  void* owner = nullptr;  // the SessionThread this slot is part of

  std::uint64_t session_serial = 0;  // for log lines and for the children's environment mark
};

// The session whose code the current thread runs; null on the server's own threads. Safe to read
// in a signal handler: it lives in the executable's initial TLS block.
extern thread_local constinit SessionSlot* current_slot;

// The calling thread's entry in current_slot->threads.
extern thread_local constinit SlotThread* current_slot_thread;

// True on threads the server made for itself. A fatal signal there keeps its default action;
// on any other thread (code started it behind our back) the thread is parked.
extern thread_local constinit bool is_server_thread;

// Marks the calling thread as one of `slot`'s: claims an entry in slot.threads, installs an
// alternate signal stack, sets current_slot. Returns the entry, or null when all are taken.
SlotThread* enter_slot(SessionSlot& slot) noexcept;

// The same in two steps, for pthread_create: the parent reserves, so that a session with too many
// threads is told there, and the new thread enters.
SlotThread* reserve_slot_thread(SessionSlot& slot) noexcept;
void release_slot_thread(SessionSlot& slot, SlotThread* entry) noexcept;
void enter_slot(SessionSlot& slot, SlotThread* entry) noexcept;

// Undoes enter_slot for a thread that is about to end.
void leave_slot(SlotThread* entry) noexcept;

// True on the session's own thread, which runs its cells; false on those that its code started.
bool on_session_thread() noexcept;

// For the moments in which the server itself acts on a session's thread: what is refused to session
// code is allowed while this lives. No Python may run meanwhile, and nothing may block.
class ServerScope {
 public:
  ServerScope() : slot_(current_slot) { current_slot = nullptr; }
  ~ServerScope() { current_slot = slot_; }
  ServerScope(const ServerScope&) = delete;
  ServerScope& operator=(const ServerScope&) = delete;

 private:
  SessionSlot* slot_;
};

// Stops the calling thread for ever: blocks every signal and sleeps. Async-signal-safe.
[[noreturn]] void park_current_thread(ParkReason reason) noexcept;

// Called, once, on a thread that is about to be parked: async-signal-safe code only. Set before
// any session exists.
void set_parked_hook(void (*hook)() noexcept) noexcept;

// Signals we own. Session code can neither block nor wait for them (see interpose_signals.cpp).
int wake_signal() noexcept;  // interrupts a system call; its handler does nothing
int park_signal() noexcept;  // parks the thread if the interrupted instruction allows it

}  // namespace pyember::embed

#include "embed/session_slot.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/limits.h"

namespace pyember::embed {

static_assert(limits::kMaximumThreadsPerSession == kMaximumSlotThreads);

thread_local constinit SessionSlot* current_slot = nullptr;
thread_local constinit SlotThread* current_slot_thread = nullptr;
thread_local constinit bool is_server_thread = false;

namespace {

// Null until the runtime sets it, before any session exists.
constinit std::atomic<void (*)() noexcept> parked_hook{nullptr};

// The crash handler walks the Python stack on this, and the kernel puts the registers there (with
// AVX-512 or AMX several KB: _SC_MINSIGSTKSZ, sysconf(3)).
constexpr std::size_t kSignalStackBytes = 64u << 10;

struct SignalStack {
  std::size_t usable = 0;
  std::size_t guard = 0;
};

SignalStack signal_stack_size() noexcept {
  const auto page = static_cast<std::size_t>(std::max(sysconf(_SC_PAGESIZE), 4096L));
  std::size_t wanted = kSignalStackBytes;
#ifdef _SC_MINSIGSTKSZ
  wanted += static_cast<std::size_t>(std::max(sysconf(_SC_MINSIGSTKSZ), 0L));
#endif
  return {(wanted + page - 1) / page * page, page};
}

// The calling thread is no session's thread yet, so nothing here is interposed or accounted.
bool install_signal_stack() noexcept {
  const SignalStack size = signal_stack_size();
  void* base = mmap(nullptr, size.guard + size.usable, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return false;
  mprotect(base, size.guard, PROT_NONE);  // stacks grow down: the guard is the lowest page
  stack_t stack{};
  stack.ss_sp = static_cast<char*>(base) + size.guard;
  stack.ss_size = size.usable;
  if (sigaltstack(&stack, nullptr) == 0) return true;
  munmap(base, size.guard + size.usable);
  return false;
}

void remove_signal_stack() noexcept {
  stack_t disabled{};
  stack_t old{};
  disabled.ss_flags = SS_DISABLE;
  if (sigaltstack(&disabled, &old) != 0 || (old.ss_flags & SS_DISABLE)) return;
  const SignalStack size = signal_stack_size();
  if (old.ss_size != size.usable) return;  // somebody else's
  munmap(static_cast<char*>(old.ss_sp) - size.guard, size.guard + size.usable);
}

}  // namespace

SlotThread* reserve_slot_thread(SessionSlot& slot) noexcept {
  for (SlotThread& entry : slot.threads) {
    bool free = false;
    if (entry.alive.load(std::memory_order_relaxed)) continue;
    if (!entry.alive.compare_exchange_strong(free, true)) continue;
    entry.parked = false;
    slot.thread_count.fetch_add(1);
    return &entry;
  }
  return nullptr;
}

void release_slot_thread(SessionSlot& slot, SlotThread* entry) noexcept {
  entry->tid = 0;
  slot.thread_count.fetch_sub(1);
  entry->alive = false;
}

void enter_slot(SessionSlot& slot, SlotThread* entry) noexcept {
  install_signal_stack();  // without one a stack overflow ends the process; nothing else changes
  entry->handle = pthread_self();
  current_slot_thread = entry;
  current_slot = &slot;
  entry->tid = static_cast<pid_t>(syscall(SYS_gettid));
}

SlotThread* enter_slot(SessionSlot& slot) noexcept {
  SlotThread* entry = reserve_slot_thread(slot);
  if (entry) enter_slot(slot, entry);
  return entry;
}

void leave_slot(SlotThread* entry) noexcept {
  SessionSlot* slot = current_slot;
  if (!slot || !entry) return;
  current_slot = nullptr;  // from here on the calls below are the real ones
  current_slot_thread = nullptr;
  release_slot_thread(*slot, entry);
  remove_signal_stack();
}

bool on_session_thread() noexcept {
  return current_slot && current_slot_thread == &current_slot->threads[0];
}

void park_current_thread(ParkReason reason) noexcept {
  SessionSlot* slot = current_slot;
  SlotThread* entry = current_slot_thread;
  // From here on the interposed functions pass everything through: nothing may park twice.
  current_slot = nullptr;
  sigset_t all;
  sigfillset(&all);  // leaves out glibc's own two, which setuid() in another thread waits for
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  if (slot) {
    auto none = ParkReason::None;
    slot->park_reason.compare_exchange_strong(none, reason);
  }
  if (entry) entry->parked = true;
  if (auto* hook = parked_hook.load()) hook();
  for (;;) syscall(SYS_ppoll, nullptr, 0, nullptr, nullptr, 8);
}

void set_parked_hook(void (*hook)() noexcept) noexcept { parked_hook = hook; }

// Far from both ends of the range: libraries that take real-time signals start at SIGRTMIN
// (libev, glibc's aio and timers) or at SIGRTMAX (samba's libraries).
int wake_signal() noexcept { return SIGRTMIN + 12; }
int park_signal() noexcept { return SIGRTMIN + 13; }

}  // namespace pyember::embed

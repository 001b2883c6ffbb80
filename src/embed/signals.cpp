#include "embed/signals.h"

#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include <wchar.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstddef>
#include <initializer_list>

#include "base/check.h"
#include "embed/python_stack.h"
#include "embed/session_slot.h"

// Where may a thread be stopped for ever? Not while it holds a lock that others need: malloc's,
// the loader's, stdio's, or one of ours. So never inside libc, ld.so or this executable — except
// in libc's leaf routines that copy and compare memory, which hold nothing themselves and are where
// C code that takes for ever often sits; unless libc or the server called them (realloc copies
// under the arena's lock). Everything else, libpython and extension modules loaded later included,
// is allowed: a CPython interpreter's own locks are its own.
//
// A thread blocked in a system call sits in libc and is not parked; the interposed waits park it
// when the call returns (interpose_waits.cpp).

namespace pyember::embed {

thread_local constinit void* own_thread_state = nullptr;

namespace {

struct Range {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  bool holds(std::uintptr_t address) const { return address >= begin && address < end; }
};

constexpr std::size_t kMaximumRanges = 32;
constexpr std::uintptr_t kLeafBytes = 2048;  // the vector variants are a few hundred bytes long

// Filled once by install_signal_handlers, only read afterwards.
struct TextMap {
  std::array<Range, kMaximumRanges> forbidden;
  std::size_t forbidden_count = 0;
  std::array<Range, kMaximumRanges> leaves;
  std::size_t leaf_count = 0;
};
TextMap text_map;
pid_t server_pid = 0;

bool any_holds(const std::array<Range, kMaximumRanges>& ranges, std::size_t count,
               std::uintptr_t address) noexcept {
  return std::any_of(ranges.begin(), ranges.begin() + count,
                     [address](const Range& range) { return range.holds(address); });
}

bool starts_with_one_of(const char* path, std::initializer_list<const char*> names) noexcept {
  const char* base = strrchr(path, '/');
  base = base ? base + 1 : path;
  return std::any_of(names.begin(), names.end(),
                     [base](const char* name) { return strncmp(base, name, strlen(name)) == 0; });
}

// libc and the loader, the libraries the server itself runs in, and the sanitizers' runtimes.
bool is_forbidden(const char* path) noexcept {
  return starts_with_one_of(
      path, {"libc.so", "libc-", "libpthread", "ld-", "ld.so", "libstdc++", "libgcc_s", "libuv",
             "libfmt", "libspdlog", "libasan", "libtsan", "libubsan"});
}

int add_object(dl_phdr_info* object, std::size_t, void* data) noexcept {
  auto& map = *static_cast<TextMap*>(data);
  const bool executable = object->dlpi_name[0] == '\0' && map.forbidden_count == 0;
  if (!executable && !is_forbidden(object->dlpi_name)) return 0;
  for (int i = 0; i < object->dlpi_phnum && map.forbidden_count < kMaximumRanges; i++) {
    const auto& header = object->dlpi_phdr[i];
    if (header.p_type != PT_LOAD || !(header.p_flags & PF_X)) continue;
    const Range range{object->dlpi_addr + header.p_vaddr,
                      object->dlpi_addr + header.p_vaddr + header.p_memsz};
    map.forbidden[map.forbidden_count++] = range;
  }
  return 0;
}

void add_leaves(TextMap& map) noexcept {
  // dlsym answers with the variant chosen for this CPU, which is what runs.
  for (const char* name :
       {"memcpy",  "memmove", "memset",  "memchr", "memrchr", "memcmp", "memmem",    "strlen",
        "strnlen", "strchr",  "strrchr", "strcmp", "strncmp", "strstr", "rawmemchr", "wmemchr",
        "wmemcmp", "wmemset", "wcslen",  "strspn", "strcspn", "strpbrk"}) {
    const auto address = reinterpret_cast<std::uintptr_t>(dlsym(RTLD_DEFAULT, name));
    if (address && map.leaf_count < kMaximumRanges) {
      map.leaves[map.leaf_count++] = {address, address + kLeafBytes};
    }
  }
}

struct Interrupted {
  std::uintptr_t instruction = 0;
  std::uintptr_t return_address = 0;
};

Interrupted where_interrupted(void* context) noexcept {
  const auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  const auto stack = static_cast<std::uintptr_t>(machine.gregs[REG_RSP]);
  // The leaves keep no frame: their caller's address is on top of the stack.
  return {static_cast<std::uintptr_t>(machine.gregs[REG_RIP]),
          *reinterpret_cast<const std::uintptr_t*>(stack)};
#elif defined(__aarch64__)
  return {machine.pc, machine.regs[30]};
#else
#error "Say where this machine keeps the interrupted instruction (x86-64 and AArch64 are known)."
#endif
}

// A fault while the stack is written means that the interpreter's frames can't be followed.
thread_local constinit sigjmp_buf* stack_guard = nullptr;

void write_stack(SessionSlot& slot) noexcept {
  if (slot.crash_text_ready.load(std::memory_order_acquire)) return;
  sigjmp_buf guard;
  stack_guard = &guard;
  if (sigsetjmp(guard, 0) == 0) {
    pyember_write_python_stack(own_thread_state, slot.crash_text, sizeof slot.crash_text);
  }
  stack_guard = nullptr;
  slot.crash_text_ready.store(true, std::memory_order_release);
}

[[noreturn]] void default_action(int signal_number) noexcept {
  signal(signal_number, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal_number);
  pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  raise(signal_number);
  _exit(128 + signal_number);
}

void on_crash(int signal_number, siginfo_t* info, void*) noexcept {
  if (stack_guard) siglongjmp(*stack_guard, 1);
  // A vfork'ed child runs on this thread's memory, but is a process of its own.
  if (is_server_thread || getpid() != server_pid) default_action(signal_number);
  // Somebody sent it (kill from outside): that is for the process, not for this thread.
  if (info->si_code == SI_USER && info->si_pid != getpid()) default_action(signal_number);
  SessionSlot* slot = current_slot;
  if (slot) {
    int none = 0;
    slot->crash_signal.compare_exchange_strong(none, signal_number);
    write_stack(*slot);
  }
  park_current_thread(ParkReason::Crashed);
}

void on_wake(int, siginfo_t*, void*) noexcept {}

void on_park(int, siginfo_t*, void* context) noexcept {
  SessionSlot* slot = current_slot;
  if (getpid() != server_pid) return;
  if (!slot || !slot->condemned.load(std::memory_order_acquire)) return;
  const Interrupted at = where_interrupted(context);
  if (!may_park_at(at.instruction, at.return_address)) return;
  write_stack(*slot);
  park_current_thread(ParkReason::Stopped);
}

void handle(int signal_number, void (*handler)(int, siginfo_t*, void*), int flags) noexcept {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | flags;
  sigemptyset(&action.sa_mask);
  CHECK(sigaction(signal_number, &action, nullptr) == 0);
}

}  // namespace

bool may_park_at(std::uintptr_t instruction, std::uintptr_t return_address) noexcept {
  if (any_holds(text_map.leaves, text_map.leaf_count, instruction)) {
    return !any_holds(text_map.forbidden, text_map.forbidden_count, return_address);
  }
  return !any_holds(text_map.forbidden, text_map.forbidden_count, instruction);
}

void install_signal_handlers() noexcept {
  server_pid = getpid();
  if (text_map.forbidden_count == 0) {
    dl_iterate_phdr(add_object, &text_map);
    add_leaves(text_map);
  }
  // Without SA_RESTART: the interrupted system call must return.
  handle(wake_signal(), on_wake, 0);
  handle(park_signal(), on_park, SA_RESTART);
  for (int fatal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
    handle(fatal, on_crash, SA_NODEFER);
  }
}

}  // namespace pyember::embed

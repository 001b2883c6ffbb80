#pragma once

#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

#include <atomic>

#include "embed/session_slot.h"

// How the executable puts its own functions before libc's (internal to interpose_*.cpp and its
// neighbours). The dynamic linker looks a name up in the executable first, so a function that is
// exported from it (interpose.list) serves libpython, the extension modules and their libraries;
// calls inside libc itself are bound there and are not seen.
//
// The rule for each of them: on the server's own threads (current_slot is null) one thread-local
// test and the real function. On a session's thread, something of ours. In a child made by vfork
// (subprocess) the same memory and the same thread-locals are seen by another process, which must
// get the real thing: see in_server_process().
namespace pyember::embed::interpose {

// The definition of `name` that comes after the executable's own.
void* next_definition(const char* name) noexcept;

// Remembers that `name` is `function` here, for those who look it up in libc itself (dlsym below).
void note_interposed(const char* name, void* function) noexcept;

// One of libc's functions. Resolved before main starts, because dlsym
// takes the loader's lock, which a vfork'ed child or a signal handler must not; callers that come
// earlier still (constructors of libraries) resolve it themselves.
template <typename Function>
class Real {
 public:
  constexpr explicit Real(const char* name) noexcept : name_(name) {}

  Function* get() noexcept {
    Function* function = function_.load(std::memory_order_relaxed);
    return function ? function : resolve();
  }

  template <typename... Arguments>
  auto operator()(Arguments... arguments) noexcept {
    return get()(arguments...);
  }

 private:
  Function* resolve() noexcept {
    auto* function = reinterpret_cast<Function*>(next_definition(name_));
    function_.store(function, std::memory_order_relaxed);
    return function;
  }

  const char* name_;
  std::atomic<Function*> function_{nullptr};
};

// False in a child: there everything must be the real thing. A system call; for rare paths only.
bool in_server_process() noexcept;
pid_t server_pid() noexcept;

// The calling thread runs a session's code, in this process (not in a vfork'ed child).
inline bool guarded() noexcept { return current_slot != nullptr && in_server_process(); }

// The session was given up: this thread must not run on.
inline bool is_condemned(const SessionSlot& slot) noexcept {
  return slot.condemned.load(std::memory_order_relaxed) ||
         slot.stop.load(std::memory_order_relaxed) >= StopLevel::Park;
}

// An interrupted wait of the calling thread must fail instead of being restarted.
inline bool is_stopping(const SessionSlot& slot) noexcept {
  if (slot.ending.load(std::memory_order_relaxed)) return true;
  return slot.stop.load(std::memory_order_relaxed) >= StopLevel::Asked && on_session_thread();
}

// Parks the calling thread if its session was given up (never in a vfork'ed child: the parent
// sleeps in the kernel until the child is gone).
void park_if_condemned(const SessionSlot& slot) noexcept;

}  // namespace pyember::embed::interpose

// Defines `name` for everybody in this process. The function gets another name in C++, so that it
// does not collide with libc's declaration (exception specification, fortified inline versions),
// and the right one in the object file.
//
// Not in sanitized builds: the sanitizers' runtimes put their own functions in the same places, and
// would call ours before they are ready. There the functions exist under other names, and the
// tests that need them are left out (tag [interposed]).
#ifdef PYEMBER_SANITIZED
#define PYEMBER_LIBC_NAME(name) "pyember_not_interposed_" #name
#else
#define PYEMBER_LIBC_NAME(name) #name
#endif

#define PYEMBER_INTERPOSE(result, name, ...)                                                      \
  static constinit ::pyember::embed::interpose::Real<result(__VA_ARGS__)> real_##name{#name};     \
  extern "C" [[gnu::visibility("default"), gnu::used]] result interposed_##name(__VA_ARGS__) asm( \
      PYEMBER_LIBC_NAME(name));                                                                   \
  [[gnu::constructor]] static void resolve_##name() {                                             \
    real_##name.get();                                                                            \
    ::pyember::embed::interpose::note_interposed(#name,                                           \
                                                 reinterpret_cast<void*>(&interposed_##name));    \
  }                                                                                               \
  extern "C" result interposed_##name(__VA_ARGS__)

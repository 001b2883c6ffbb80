#pragma once

#include <cstdint>

// The three signals of a session's threads: wake (interrupts a system call), park (stops the
// thread where it stands when that is safe) and the fatal ones (a crash parks its thread).
namespace pyember::embed {

// Installs the handlers, process-wide, once, before any session exists.
void install_signal_handlers() noexcept;

// The stack of a thread that has been parked is written from its own PyThreadState when none is
// attached at that moment; session threads leave theirs here.
extern thread_local constinit void* own_thread_state;

// True if a thread stopped at this instruction leaves no lock of libc, the loader or this program
// behind. `return_address` is what the innermost function would return to.
bool may_park_at(std::uintptr_t instruction, std::uintptr_t return_address) noexcept;

}  // namespace pyember::embed

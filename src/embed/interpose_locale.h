#pragma once

// The locale of a session's thread; see interpose_locale.cpp.
namespace pyember::embed {

// A copy of the calling thread's own locale for a thread that it starts; null when it has none.
void* copy_thread_locale() noexcept;

// Gives the calling thread that locale (which it then owns), or with null the process's again, as
// at the end of a session. Frees the one it had.
void set_thread_locale(void* copy) noexcept;

// Frees a copy that no thread was given.
struct FreeLocale {
  void operator()(void* copy) const noexcept;
};

}  // namespace pyember::embed

#pragma once

// The one descriptor of the server's that is in the table of every session's thread as well, under
// the same number: a session's thread wakes the loop through it. Its number is far above those that
// files get, and session code can neither close nor replace it (interpose_close.cpp), nor do its
// children inherit it (it is close-on-exec).
namespace pyember::embed {

// The number to give it; below the limit of open files.
int preferred_kept_descriptor() noexcept;

// Before the first session's thread is made. Without it nothing is kept.
void keep_descriptor(int descriptor) noexcept;

int kept_descriptor() noexcept;  // -1: none

// Closes what the calling thread's table has from 3 on, but for the kept one.
void close_all_but_kept() noexcept;

}  // namespace pyember::embed

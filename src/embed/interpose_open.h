#pragma once

#include <limits.h>

#include <array>

// What a path means on a session's thread; see interpose_open.cpp.
namespace pyember::embed {

// `path` itself, or (in `room`) the one that the calling session's thread is to open instead; null
// when it may not be opened: the process's memory, a descriptor of another thread. Only on a
// session's thread.
const char* session_path(const char* path, std::array<char, PATH_MAX>& room) noexcept;

}  // namespace pyember::embed

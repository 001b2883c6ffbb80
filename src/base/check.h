#pragma once

// CHECK is for our own bugs: it is compiled into every build, prints where and
// what, and aborts. User mistakes and user code never reach it; those are a
// Result or a cell's status.

namespace pyember {

[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace pyember

#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::pyember::check_failed(#condition, __FILE__, __LINE__))

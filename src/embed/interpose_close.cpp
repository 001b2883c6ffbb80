// What closes or replaces descriptors goes around the kept one (kept_descriptor.h) on a session's
// threads: closed there, the loop would hear of finished cells only at its next tick; replaced, a
// file of the session's would get the bytes that are meant for the loop.
#undef _FORTIFY_SOURCE  // the checked inline versions would redefine what is defined here
#include "embed/interpose.h"
#include "embed/kept_descriptor.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>

namespace pyember::embed {

namespace {

std::atomic<int> kept{-1};

// Whether the calling thread, a session's, must not touch `descriptor`.
bool is_kept(int descriptor) noexcept {
  return descriptor >= 0 && descriptor == kept.load(std::memory_order_relaxed) &&
         interpose::guarded();
}

int refuse() noexcept {
  errno = EBADF;
  return -1;
}

// Not in a vfork'ed child, whose table is another one.
void note_touched(unsigned first, unsigned last) noexcept {
  if (current_slot && first <= 2 && last >= 1 && interpose::in_server_process()) {
    current_slot->outputs_touched = true;
  }
}

}  // namespace

int preferred_kept_descriptor() noexcept {
  constexpr rlim_t kPreferred = 1000;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return static_cast<int>(std::min(kPreferred, limit.rlim_cur > 8 ? limit.rlim_cur - 8 : 0));
}

void keep_descriptor(int descriptor) noexcept { kept.store(descriptor); }

int kept_descriptor() noexcept { return kept.load(std::memory_order_relaxed); }

void close_all_but_kept() noexcept {
  const int descriptor = kept_descriptor();
  if (descriptor < 3) {
    syscall(SYS_close_range, 3U, ~0U, 0U);
    return;
  }
  const auto number = static_cast<unsigned>(descriptor);
  if (number > 3) syscall(SYS_close_range, 3U, number - 1, 0U);
  syscall(SYS_close_range, number + 1, ~0U, 0U);
}

}  // namespace pyember::embed

using pyember::embed::is_kept;
using pyember::embed::kept_descriptor;
using pyember::embed::note_touched;
using pyember::embed::refuse;

PYEMBER_INTERPOSE(int, close, int fd) {
  if (is_kept(fd)) return refuse();
  note_touched(static_cast<unsigned>(fd), static_cast<unsigned>(fd));
  return real_close(fd);
}

PYEMBER_INTERPOSE(int, dup2, int from, int to) {
  if (is_kept(from) || is_kept(to)) return refuse();
  note_touched(static_cast<unsigned>(to), static_cast<unsigned>(to));
  return real_dup2(from, to);
}

PYEMBER_INTERPOSE(int, dup3, int from, int to, int flags) {
  if (is_kept(from) || is_kept(to)) return refuse();
  note_touched(static_cast<unsigned>(to), static_cast<unsigned>(to));
  return real_dup3(from, to, flags);
}

PYEMBER_INTERPOSE(int, close_range, unsigned first, unsigned last, int flags) {
  note_touched(first, last);
  const int descriptor = kept_descriptor();
  const auto number = static_cast<unsigned>(descriptor);
  if (!is_kept(descriptor) || number < first || number > last) {
    return real_close_range(first, last, flags);
  }
  int result = 0;
  if (number > first) result = real_close_range(first, number - 1, flags);
  if (number < last && result == 0) result = real_close_range(number + 1, last, flags);
  return result;
}

PYEMBER_INTERPOSE(void, closefrom, int first) {
  note_touched(static_cast<unsigned>(std::max(first, 0)), ~0U);
  if (!is_kept(kept_descriptor())) {
    real_closefrom(first);
    return;
  }
  interposed_close_range(static_cast<unsigned>(std::max(first, 0)), ~0U, 0);
}

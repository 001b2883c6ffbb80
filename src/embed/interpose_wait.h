#pragma once

#include "embed/interpose.h"

// One blocking libc function, called so that a stop can end it; see interpose_waits.cpp.
namespace pyember::embed::interpose {
// Runs one blocking call whose failures are reported through errno.
template <typename Call>
[[gnu::always_inline]] inline auto waiting(Call call) noexcept {
  SessionSlot* slot = current_slot;
  if (!slot) [[likely]]
    return call();
  park_if_condemned(*slot);
  const auto result = call();
  if (result == -1 && errno == EINTR) {
    park_if_condemned(*slot);
    errno = is_stopping(*slot) ? ECANCELED : EINTR;
  } else if (is_condemned(*slot)) [[unlikely]] {
    park_if_condemned(*slot);
  }
  return result;
}

// The same for functions that return the error number.
template <typename Call>
inline int waiting_for_error_number(Call call) noexcept {
  SessionSlot* slot = current_slot;
  if (!slot) return call();
  park_if_condemned(*slot);
  const int error = call();
  park_if_condemned(*slot);
  return error == EINTR && is_stopping(*slot) ? ECANCELED : error;
}

}  // namespace pyember::embed::interpose

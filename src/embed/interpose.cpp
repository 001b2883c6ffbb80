#include "embed/interpose.h"

namespace pyember::embed::interpose {
namespace {

// Set by a constructor of the executable: the process that loads it is the server.
std::atomic<pid_t> recorded_pid{0};

[[gnu::constructor]] void record_pid() { recorded_pid = getpid(); }

}  // namespace

pid_t server_pid() noexcept {
  const pid_t recorded = recorded_pid.load(std::memory_order_relaxed);
  return recorded != 0 ? recorded : getpid();
}

// getpid() is a system call since glibc 2.25 (its release notes): right in a vfork'ed child too.
bool in_server_process() noexcept { return getpid() == server_pid(); }

void park_if_condemned(const SessionSlot& slot) noexcept {
  if (is_condemned(slot) && in_server_process()) park_current_thread(ParkReason::Stopped);
}

}  // namespace pyember::embed::interpose

#include "journal/session_log.h"

#include <cstring>

#include "journal/layout.h"

namespace pyember::journal {

int SessionLog::open(std::string_view name, std::uint64_t next_number) {
  for (std::size_t index = 0; index < kSessions; ++index) {
    SessionState& entry = layout_.sessions[index];
    if (entry.next_number != 0 || name.size() > sizeof entry.name) continue;
    std::memset(entry.name, 0, sizeof entry.name);
    std::memcpy(entry.name, name.data(), name.size());
    entry.next_number = next_number;
    return static_cast<int>(index);
  }
  return -1;
}

void SessionLog::count(int entry, std::uint64_t next_number) {
  if (entry >= 0) layout_.sessions[entry].next_number = next_number;
}

void SessionLog::close(int entry) {
  if (!sealed_) count(entry, 0);
}

std::vector<KeptSession> SessionLog::recover() {
  std::vector<KeptSession> kept;
  for (SessionState& entry : layout_.sessions) {
    const std::uint64_t next_number = entry.next_number;
    if (next_number == 0) continue;
    kept.push_back({std::string(entry.name, strnlen(entry.name, sizeof entry.name)), next_number});
    entry.next_number = 0;
  }
  return kept;
}

}  // namespace pyember::journal

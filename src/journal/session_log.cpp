#include "journal/session_log.h"

#include <cstring>

#include "journal/layout.h"

namespace pyember::journal {

namespace {

template <std::size_t size>
void put(char (&field)[size], std::string_view text) {
  std::memset(field, 0, size);
  std::memcpy(field, text.data(), text.size());
}

template <std::size_t size>
std::string text_of(const char (&field)[size]) {
  return std::string(field, strnlen(field, size));
}

}  // namespace

int SessionLog::open(std::string_view name, std::uint64_t next_number, std::string_view owner) {
  if (name.size() > limits::kMaximumSessionNameBytes || owner.size() > kOwnerBytes) return -1;
  for (std::size_t index = 0; index < kSessions; ++index) {
    SessionState& entry = layout_.sessions[index];
    if (entry.next_number != 0) continue;
    put(entry.name, name);
    put(entry.owner, owner);
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
    kept.push_back({text_of(entry.name), next_number, text_of(entry.owner)});
    entry.next_number = 0;
  }
  return kept;
}

}  // namespace pyember::journal

#include "host/state/checkpoints.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <system_error>

#include "base/limits.h"
#include "host/state/state_store.h"

namespace pyember::host {

namespace {

std::uint64_t in_ns(std::chrono::nanoseconds duration) {
  return static_cast<std::uint64_t>(duration.count());
}

std::int64_t file_clock_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::optional<struct stat> look(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return std::nullopt;
  return status;
}

}  // namespace

std::string Checkpoints::path_of(const std::string& session) const {
  return state_path(folder_, session);
}

bool Checkpoints::due(const HostSession& session, const Entry& entry, std::uint64_t now) const {
  if (entry.writing != 0 || !session.may_checkpoint() || session.last_ended() <= entry.held) {
    return false;
  }
  if (ends_ns_ != 0) return true;
  // One that costs much is taken only when nobody seems to come back soon.
  const std::uint64_t wait =
      std::max(in_ns(limits::kCheckpointAfter), entry.cost_ns * limits::kCheckpointPatience);
  return session.idle_since_ns() + wait <= now;
}

void Checkpoints::begin(HostSession& session, Entry& entry, std::uint64_t now) {
  const std::uint64_t others = bytes_of_others(session.name());
  if (others >= limits::kCheckpointBytesAll) return;
  const auto before = look(path_of(session.name()));
  entry.writing = session.last_ended();
  entry.began_ns = now;
  entry.began_at_ns = file_clock_ns();
  entry.inode = before ? before->st_ino : 0;
  session.checkpoint(
      path_of(session.name()),
      std::min<std::uint64_t>(limits::kCheckpointBytes, limits::kCheckpointBytesAll - others));
}

void Checkpoints::look_at(const std::string& name, Entry& entry, std::uint64_t now) {
  const auto file = look(path_of(name));
  if (file && file->st_ino != entry.inode) {
    const std::int64_t end = file->st_mtim.tv_sec * 1'000'000'000 + file->st_mtim.tv_nsec;
    entry.cost_ns = static_cast<std::uint64_t>(std::max<std::int64_t>(0, end - entry.began_at_ns));
    entry.held = std::exchange(entry.writing, 0);
    spdlog::debug("checkpoint session={} cell={} bytes={} ms={}", name, entry.held, file->st_size,
                  entry.cost_ns / 1'000'000);
    return;
  }
  const HostSession* session = registry_.find(name);
  // An in-process session has given way to a cell, and told nobody.
  const bool gave_way = session != nullptr && session->plan().room == Isolation::InProcess &&
                        (session->busy() || session->last_ended() != entry.writing);
  const bool too_late =
      now - entry.began_ns > in_ns(limits::kCheckpointTimeout + limits::kCheckpointGrace);
  if (!gave_way && !too_late && session != nullptr) return;
  if (too_late) {
    entry.cost_ns = in_ns(limits::kCheckpointTimeout);
    entry.held = entry.writing;  // the same state would not do better; the next cell's may
    spdlog::info("checkpoint_failed session={}", name);
    remove_parts(name);
  }
  entry.writing = 0;
}

void Checkpoints::tick(std::uint64_t now) {
  if (!on()) return;
  for (auto& [name, entry] : entries_) {
    if (entry.writing != 0) look_at(name, entry, now);
  }
  for (const auto& [name, session] : registry_.sessions()) {
    if (session->last_ended() == 0) continue;
    Entry& entry = entries_[name];
    if (due(*session, entry, now)) begin(*session, entry, now);
  }
}

bool Checkpoints::finished(std::uint64_t now) {
  if (!on()) return true;
  if (ends_ns_ == 0) ends_ns_ = now + in_ns(limits::kLastCheckpoints);
  tick(now);
  const bool writing = std::any_of(entries_.begin(), entries_.end(),
                                   [](const auto& each) { return each.second.writing != 0; });
  return !writing || now >= ends_ns_;
}

void Checkpoints::have(const std::string& session, embed::CellNumber cell) {
  entries_[session].held = cell;
}

void Checkpoints::forget(const std::string& session) {
  if (!on()) return;
  entries_.erase(session);
  unlink(path_of(session).c_str());
}

std::uint64_t Checkpoints::bytes_of_others(const std::string& name) const {
  std::uint64_t sum = 0;
  for (const StoredState& each : states_in(folder_)) {
    if (each.session != name) sum += each.bytes;
  }
  return sum;
}

// What a process that was killed had begun.
void Checkpoints::remove_parts(const std::string& name) const {
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, failed)) {
    const std::string file = entry.path().filename().string();
    if (file.starts_with(name + ".state.") && file.ends_with(".part")) unlink(entry.path().c_str());
  }
}

}  // namespace pyember::host

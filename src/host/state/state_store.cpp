#include "host/state/state_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/limits.h"
#include "base/sha256.h"

namespace pyember::host {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".state";
constexpr const char* kWord = "PYEMBER_CHECKPOINT_SLOT";
constexpr const char* kLockName = "/lock";
constexpr std::size_t kDirectoryDigits = 16;

Error no_folder(const std::string& path, const std::string& why) {
  return {ErrorCode::Unavailable,
          fmt::format("The folder {} for sessions' states can't be made ({}). Make it writable, or "
                      "set PYEMBER_STATE_DIR to a folder that is.",
                      path, why)};
}

Result<void> make_folder(const std::string& path) {
  std::error_code failed;
  fs::create_directories(fs::path(path).parent_path(), failed);
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return no_folder(path, strerror(errno));
}

std::string checkpoints_folder(const std::string& root) { return root + "/checkpoints"; }

std::string key_of(const std::string& directory) {
  return sha256_hex(directory).substr(0, kDirectoryDigits);
}

// The lock of a slot; none: another server has it, or there is no such slot.
UniqueFd lock_of(const std::string& folder) {
  UniqueFd lock(
      open((folder + kLockName).c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (lock && flock(lock.get(), LOCK_EX | LOCK_NB) != 0) lock.reset();
  return lock;
}

struct Slot {
  std::string folder;
  std::vector<StoredState> states;

  std::int64_t newest() const { return states.empty() ? 0 : states.front().written_at; }
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const StoredState& each : states) sum += each.bytes;
    return sum;
  }
};

std::vector<Slot> slots_in(const std::string& root, const std::string& prefix) {
  std::vector<Slot> slots;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(checkpoints_folder(root), failed)) {
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    slots.push_back({entry.path().string(), states_in(entry.path().string())});
  }
  std::sort(slots.begin(), slots.end(),
            [](const Slot& one, const Slot& other) { return one.newest() > other.newest(); });
  return slots;
}

// What nobody comes back to. Slots of servers that run are theirs.
void clear_away(const std::string& root) {
  std::uint64_t kept = 0;
  const std::int64_t now = std::time(nullptr);
  for (const Slot& slot : slots_in(root, "")) {
    struct stat status {};
    const bool young = stat(slot.folder.c_str(), &status) == 0 &&
                       now - status.st_mtime < limits::kLeftoverFolderAge.count();
    const bool old = now - slot.newest() > limits::kCheckpointsKept.count();
    const bool too_much = kept + slot.bytes() > limits::kCheckpointBytesLeft;
    if (young || (!slot.states.empty() && !old && !too_much)) {
      kept += slot.bytes();
      continue;
    }
    const UniqueFd lock = lock_of(slot.folder);
    std::error_code ignored;
    if (lock) fs::remove_all(slot.folder, ignored);
  }
}

}  // namespace

std::vector<StoredState> states_in(const std::string& folder) {
  std::vector<StoredState> states;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    const std::string file = entry.path().filename().string();
    struct stat status {};
    if (!file.ends_with(kSuffix) || lstat(entry.path().c_str(), &status) != 0 ||
        !S_ISREG(status.st_mode)) {
      continue;
    }
    states.push_back({file.substr(0, file.size() - kSuffix.size()), entry.path().string(),
                      status.st_mtime, static_cast<std::uint64_t>(status.st_size)});
  }
  std::sort(states.begin(), states.end(), [](const StoredState& one, const StoredState& other) {
    return one.written_at > other.written_at;
  });
  return states;
}

std::string state_path(const std::string& folder, const std::string& session) {
  return folder + "/" + session + std::string(kSuffix);
}

std::string saved_folder(const std::string& root) { return root + "/saved"; }

Result<std::string> make_saved_folder(const std::string& root) {
  const Result<void> base = make_folder(root);
  if (!base) return base.error();
  const std::string folder = saved_folder(root);
  const Result<void> made = make_folder(folder);
  if (!made) return made.error();
  return folder;
}

std::vector<StoredState> checkpoints_left(const std::string& root, const std::string& directory) {
  std::vector<StoredState> found;
  for (const Slot& slot : slots_in(root, key_of(directory) + "-")) {
    for (const StoredState& each : slot.states) {
      const auto known = std::find_if(found.begin(), found.end(), [&](const StoredState& other) {
        return other.session == each.session;
      });
      if (known == found.end()) {
        found.push_back(each);
      } else if (known->written_at < each.written_at) {
        *known = each;
      }
    }
  }
  return found;
}

Result<CheckpointSlot> CheckpointSlot::take(const std::string& root, const std::string& directory,
                                            Contents contents) {
  for (const std::string& folder : {root, checkpoints_folder(root)}) {
    const Result<void> made = make_folder(folder);
    if (!made) return made.error();
  }
  const char* word = getenv(kWord);
  const std::string left = word == nullptr ? "" : word;
  unsetenv(kWord);
  const std::string prefix = checkpoints_folder(root) + "/" + key_of(directory) + "-";
  if (left.starts_with(prefix) && left.find('/', prefix.size()) == std::string::npos) {
    if (UniqueFd lock = lock_of(left)) return CheckpointSlot(left, std::move(lock));
  }
  clear_away(root);
  if (contents == Contents::Newest) {
    if (Result<CheckpointSlot> found = newest(root, directory)) return found;
  }
  std::string folder = prefix + "XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return no_folder(folder, strerror(errno));
  UniqueFd lock = lock_of(folder);
  if (!lock) return no_folder(folder, "its lock can't be had");
  return CheckpointSlot(std::move(folder), std::move(lock));
}

Result<CheckpointSlot> CheckpointSlot::newest(const std::string& root,
                                              const std::string& directory) {
  for (const Slot& slot : slots_in(root, key_of(directory) + "-")) {
    if (slot.states.empty()) continue;
    if (UniqueFd lock = lock_of(slot.folder)) return CheckpointSlot(slot.folder, std::move(lock));
  }
  return Error{ErrorCode::NotFound, "No server has left checkpoints."};
}

Result<CheckpointSlot> CheckpointSlot::take_beside(const std::string& own, const std::string& root,
                                                   const std::string& directory,
                                                   Contents contents) {
  for (const std::string& folder : {root, checkpoints_folder(root)}) {
    const Result<void> made = make_folder(folder);
    if (!made) return made.error();
  }
  clear_away(root);
  const std::string path =
      fmt::format("{}/{}", checkpoints_folder(root), fs::path(own).filename().string());
  std::error_code failed;
  if (contents == Contents::Newest && !fs::exists(path, failed)) {
    if (Result<CheckpointSlot> found = newest(root, directory)) return found;
  }
  if (const Result<void> made = make_folder(path); !made) return made.error();
  // The lock keeps other servers from clearing it away. The name is this server's alone, so it does
  // without where what a dead server has left still holds it.
  return CheckpointSlot(path, lock_of(path));
}

void CheckpointSlot::leave_word() const { setenv(kWord, folder_.c_str(), 1); }

}  // namespace pyember::host

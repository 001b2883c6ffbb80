#include "host/state/session_state_file.h"

#include <stdlib.h>

#include <filesystem>
#include <system_error>
#include <utility>

namespace pyember::host {

SessionStateFile::SessionStateFile() {
  std::error_code failed;
  std::string folder = std::filesystem::temp_directory_path(failed).string();
  if (failed) folder = "/tmp";
  folder += "/pyember-state-XXXXXX";
  if (mkdtemp(folder.data()) != nullptr) folder_ = std::move(folder);
}

SessionStateFile::~SessionStateFile() {
  if (folder_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

SessionStateFile::SessionStateFile(SessionStateFile&& other) noexcept
    : folder_(std::exchange(other.folder_, {})) {}

SessionStateFile& SessionStateFile::operator=(SessionStateFile&& other) noexcept {
  std::swap(folder_, other.folder_);
  return *this;
}

}  // namespace pyember::host

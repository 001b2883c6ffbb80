#pragma once

#include <string>

namespace pyember::host {

// A place for one session's state on its way to another session: a folder that only this user can
// enter, removed with everything in it when this is destroyed.
class SessionStateFile {
 public:
  SessionStateFile();
  ~SessionStateFile();
  SessionStateFile(SessionStateFile&& other) noexcept;
  SessionStateFile& operator=(SessionStateFile&& other) noexcept;

  bool valid() const { return !folder_.empty(); }
  std::string path() const { return folder_ + "/state"; }

 private:
  std::string folder_;
};

}  // namespace pyember::host

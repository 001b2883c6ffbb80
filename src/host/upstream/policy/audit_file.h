#pragma once

#include <cstddef>
#include <mutex>
#include <string>

namespace pyember::host {

// The file of an AuditLog, and the lines that wait to be written. Any thread.
//
// Lines of several processes get into the same file whole: each batch is written under a lock on
// the file (flock), and so is it renamed when it is full. The folder and the file are the user's
// alone (0700, 0600); a symbolic link in the file's place is not followed.
class AuditFile {
 public:
  AuditFile(std::string path, std::size_t file_bytes, std::size_t files);

  // Takes a line without a newline. How many bytes wait now; when that would be too many, the line
  // is dropped, and how many were is told in the next one that is not.
  std::size_t add(const std::string& line);

  bool waits();

  // Writes what waits. Empty, or what went wrong.
  std::string write();

 private:
  std::string take();
  std::string append(const std::string& lines);
  void rotate() const;

  const std::string path_;
  const std::size_t file_bytes_;
  const std::size_t files_;
  std::mutex writing_;  // held while the file is written, before waiting_lock_
  std::mutex waiting_lock_;
  std::string waiting_;      // guarded by waiting_lock_
  std::size_t dropped_ = 0;  // the same
};

}  // namespace pyember::host

#pragma once

#include <fcntl.h>

#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace pyember {

// The first `limit` bytes of a small file, in one read as /proc wants it; empty: it can't be read.
inline std::string read_small_file(int directory, const char* path, std::size_t limit = 4096) {
  const UniqueFd file(openat(directory, path, O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  std::string text(limit, '\0');
  const auto got = read(file.get(), text.data(), text.size());
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

inline std::string read_small_file(const char* path, std::size_t limit = 4096) {
  return read_small_file(AT_FDCWD, path, limit);
}

// Writes to a file that exists, in one write as /proc and cgroupfs want it.
inline bool write_small_file(int directory, const char* path, std::string_view text) {
  const UniqueFd file(openat(directory, path, O_WRONLY | O_CLOEXEC));
  return file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

}  // namespace pyember

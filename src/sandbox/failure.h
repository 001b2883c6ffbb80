#pragma once

#include <cerrno>
#include <cstring>
#include <string>

namespace pyember::sandbox {

// What could not be done, in words for whoever reads the server's log; empty: all went well.
struct Failure {
  std::string message;
  explicit operator bool() const { return !message.empty(); }
};

// Of a system call that has just failed.
inline Failure failed(const std::string& what) { return {what + ": " + std::strerror(errno)}; }

}  // namespace pyember::sandbox

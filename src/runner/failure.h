#pragma once

#include <string>
#include <string_view>

namespace pyember::runner {

// Why a run could not be started. `kind` is one of the exit record's `error_kind`; the message has
// three parts: what happened, why, and what to do next. An empty kind: nothing failed.
struct Failure {
  std::string_view kind;
  std::string message;

  explicit operator bool() const { return !kind.empty(); }
};

// "No such file or directory", for a number of errno.
std::string reason(int error);

}  // namespace pyember::runner

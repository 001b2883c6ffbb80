#include "embed/execution.h"

namespace pyember::embed {

const char* to_string(Status status) noexcept {
  switch (status) {
    case Status::Completed:
      return "completed";
    case Status::Raised:
      return "raised";
    case Status::Interrupted:
      return "interrupted";
    case Status::TimedOut:
      return "timed_out";
    case Status::Lost:
      return "lost";
  }
  return "lost";
}

}  // namespace pyember::embed

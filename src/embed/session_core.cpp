#include "embed/session_core.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/check.h"

namespace pyember::embed {

namespace {

// A cell that prints a lot waits less often for the loop. The kernel may refuse (its limit for
// users without privilege); the default of 64 KB does as well.
constexpr int kPipeBytes = 1 << 20;

}  // namespace

OutputPipes::OutputPipes() {
  for (auto& ends : ends_) {
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
  }
}

OutputPipes::~OutputPipes() {
  for (auto& ends : ends_) {
    ::close(ends[0]);
    ::close(ends[1]);
  }
}

}  // namespace pyember::embed

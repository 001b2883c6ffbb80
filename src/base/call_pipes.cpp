#include "base/call_pipes.h"

#include <fcntl.h>
#include <unistd.h>

namespace pyember {

CallPipes::CallPipes() {
  int calls[2] = {-1, -1};
  int answers[2] = {-1, -1};
  if (pipe2(calls, O_CLOEXEC | O_NONBLOCK) == 0) {
    incoming_ = Descriptor(calls[0]);
    calls_ = Descriptor(calls[1]);
  }
  if (pipe2(answers, O_CLOEXEC | O_NONBLOCK) == 0) {
    answers_ = Descriptor(answers[0]);
    outgoing_ = Descriptor(answers[1]);
  }
}

void CallPipes::close_session_ends() {
  calls_.close();
  answers_.close();
}

}  // namespace pyember

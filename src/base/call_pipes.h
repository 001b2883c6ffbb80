#pragma once

#include "base/descriptor.h"

namespace pyember {

// The two pipes by which a session's code asks the server for something (docs/code-mode-wire.md):
// the server's ends, and the session's until they are handed over or opened by their names. All
// ends are non-blocking and close-on-exec.
class CallPipes {
 public:
  CallPipes();  // without pipes (valid() is false) when descriptors have run out

  bool valid() const { return incoming_.valid() && outgoing_.valid(); }
  int incoming() const { return incoming_.get(); }  // what the session asks
  int outgoing() const { return outgoing_.get(); }  // what it is answered

  // The session's ends; -1 once they were closed or taken.
  int session_calls() const { return calls_.get(); }
  int session_answers() const { return answers_.get(); }
  Descriptor take_session_calls() { return std::move(calls_); }
  Descriptor take_session_answers() { return std::move(answers_); }
  // The session has its own: from here on the server sees the end when those are closed.
  void close_session_ends();
  // The session sees the end of its answers. Nobody may be polling it.
  void close_outgoing() { outgoing_.close(); }

 private:
  Descriptor incoming_, outgoing_;
  Descriptor calls_, answers_;
};

}  // namespace pyember

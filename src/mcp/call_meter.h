#pragma once

#include <cstdint>

#include "mcp/question.h"

namespace pyember::mcp {

// Told what becomes of the calls of one tool, for whoever counts them. There is no clock here: what
// began() returns comes back at the call's end. Outlives the tool's catalog; on the loop's thread.
class CallMeter {
 public:
  enum class Outcome {
    Ok,         // a result
    Error,      // a result that says it is an error
    Failed,     // an error of the protocol
    Cancelled,  // by the client, or because it has gone
  };
  enum class QuestionEnd {
    Answered,   // whatever the answer is
    Refused,    // the client can't be asked, or its answer was none
    Withdrawn,  // nobody answered in time, or the call was over before
  };

  virtual ~CallMeter() = default;
  // A call reaches the tool. A call that is answered with a question, or a task, goes on.
  virtual std::uint64_t began() = 0;
  virtual void ended(Outcome outcome, std::uint64_t began) = 0;
  // One does not reach it: its arguments don't fit, or its caller may not call it.
  virtual void refused() = 0;
  // A call asks its client.
  virtual void asked(InputRequest::Kind kind) = 0;
  virtual void question_over(InputRequest::Kind kind, QuestionEnd end) = 0;
};

}  // namespace pyember::mcp

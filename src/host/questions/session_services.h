#pragma once

#include <cstdint>

#include "host/questions/question_service.h"
#include "host/upstream/call_service.h"

namespace pyember::host {

// All that sessions' code may ask of the server: questions to the client, and, where there are
// upstreams, whatever concerns them. Owned by the App; loop's thread only.
class SessionServices final : public CallService {
 public:
  // `upstreams`: null: the server was started without them. Outlives this.
  SessionServices(EventLoop& loop, CallService* upstreams)
      : questions_(loop), upstreams_(upstreams) {}

  std::uint64_t serve(const std::shared_ptr<RunPermit>& permit, CallOrder order,
                      Done done) override;
  void cancel(std::uint64_t id) override;

  QuestionService& questions() { return questions_; }

 private:
  QuestionService questions_;
  CallService* const upstreams_;
};

}  // namespace pyember::host

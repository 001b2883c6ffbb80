#include "host/upstream/http_listening.h"

#include <algorithm>

#include "base/limits.h"

namespace pyember::host {

HttpListening::HttpListening(EventLoop& loop, HttpClient& client, Owner& owner, Ending ending)
    : owner_(owner),
      ending_(ending),
      reply_(client, *this),
      again_(loop, [this] { ask(); }),
      deadline_(loop,
                [this] {
                  HttpOutcome outcome;
                  outcome.failure = Error{ErrorCode::Unavailable, "It sent no event in time."};
                  reply_.stop();
                  owner_.listening_over(outcome);
                }),
      pause_(limits::kSseFirstRetry) {
  again_.start({});
  if (ending_ == Ending::IsTheEnd) deadline_.start(limits::kOldSseDeadline);
}

void HttpListening::ask() {
  reply_.begin(owner_.listening_request(reply_.stream().last_event_id()));
}

void HttpListening::reply_head(const HttpHead& head) {
  if (head.status != 200) return;
  pause_ = limits::kSseFirstRetry;
  owner_.listening_begun();
}

void HttpListening::reply_event(SseEvent event) { owner_.listening_event(std::move(event)); }

void HttpListening::reply_ended(const HttpOutcome& outcome) {
  const int status = outcome.head.status;
  // 405: there is no such stream. 404: no such session, which the next request will find, too.
  const bool no = status >= 400 && status < 500 && status != 401 && status != 429;
  const bool strange = outcome.success() && !outcome.streamed;
  if (ending_ == Ending::IsTheEnd || no || strange) {
    deadline_.stop();
    return owner_.listening_over(outcome);
  }
  const std::chrono::milliseconds wanted = reply_.stream().retry().value_or(pause_);
  again_.start(std::max(wanted, outcome.streamed ? wanted : pause_));
  if (!outcome.streamed) pause_ = std::min(pause_ * 2, limits::kSseLongestRetry);
}

}  // namespace pyember::host

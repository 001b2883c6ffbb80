#include "host/upstream/http_reply.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"

namespace pyember::host {

namespace {

Error too_large() {
  return {ErrorCode::LimitReached, fmt::format("A message of its answer is larger than {} MB.",
                                               limits::kUpstreamMessageBytes >> 20)};
}

// Servers exist that name no type.
bool may_be_json(const HttpHead& head) {
  const std::string type = head.media_type();
  return type.empty() || type == "application/json" || type.ends_with("+json");
}

}  // namespace

HttpReply::HttpReply(HttpClient& client, Owner& owner)
    : client_(client), owner_(owner), parser_(limits::kUpstreamMessageBytes) {}

void HttpReply::begin(HttpRequest request, Body body) {
  body_ = body;
  outcome_ = {};
  json_.clear();
  parser_.begin_anew();
  exchange_ = client_.start(std::move(request), *this);
}

void HttpReply::http_head(const HttpHead& head) {
  outcome_.head = head;
  outcome_.streamed = outcome_.success() && head.media_type() == "text/event-stream";
  owner_.reply_head(head);
}

void HttpReply::http_body(std::string_view bytes) {
  if (!outcome_.success()) {
    const std::size_t room = limits::kHttpErrorBytes - outcome_.error_body.size();
    outcome_.error_body.append(bytes.substr(0, std::min(room, bytes.size())));
  } else if (body_ == Body::Ignored) {
    // A server that never ends what nobody wants is left.
    if (outcome_.streamed) end(std::nullopt);
  } else if (outcome_.streamed) {
    take_events(bytes);
  } else {
    take_json(bytes);
  }
}

void HttpReply::take_json(std::string_view bytes) {
  if (json_.size() + bytes.size() > limits::kUpstreamMessageBytes) return end(too_large());
  json_.append(bytes);
}

void HttpReply::take_events(std::string_view bytes) {
  std::vector<SseEvent> events = parser_.feed(bytes);
  CallOut call(life_);
  for (SseEvent& event : events) {
    owner_.reply_event(std::move(event));
    if (call.gone() || exchange_ == nullptr) return;
  }
  if (parser_.too_large()) end(too_large());
}

void HttpReply::http_ended(const std::optional<Error>& failure) {
  const bool json = !failure && !outcome_.streamed && !json_.empty();
  if (json && !may_be_json(outcome_.head)) {
    return end(Error{ErrorCode::Unavailable,
                     fmt::format("It answered with {:.100}, which is neither JSON nor a stream of "
                                 "events.",
                                 outcome_.head.media_type())});
  }
  if (json) {
    CallOut call(life_);
    owner_.reply_event({{}, std::move(json_)});
    if (call.gone()) return;
  }
  end(failure);
}

void HttpReply::end(std::optional<Error> failure) {
  exchange_.reset();
  outcome_.failure = std::move(failure);
  const HttpOutcome outcome = std::exchange(outcome_, {});
  owner_.reply_ended(outcome);
}

}  // namespace pyember::host

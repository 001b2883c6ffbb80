#include "mcp/http/http_session.h"

#include "base/limits.h"
#include "mcp/http/messages.h"
#include "mcp/http/sse.h"

#include <algorithm>
#include <utility>

// How messages find their stream. The server says of each message which request it belongs to, and
// each request is known with the POST it came in; what belongs to none goes to whoever has opened a
// stream by GET. An answer ends its POST's stream, which is forgotten but for its last events.
//
// Events are numbered over the whole session, so that a stream and a number name one for good. An
// event is kept only if the client could ask for it: once it was told an id of the stream. The ids
// that it is told first carry nothing (the priming event), and come behind whatever was missed, so
// that no id is ever told before an event that stands before it.
namespace pyember::mcp {
namespace {

// The messages of a batch, or the one that there is.
template <typename Each>
void for_each_message(const Json& message, const Each& each) {
  if (!message.is_array()) return each(message);
  for (const Json& part : message) each(part);
}

// Older clients take an event without data for a message.
bool knows_priming(std::optional<Version> version) {
  return version && *version >= Version::V2025_11_25;
}

}  // namespace

HttpSession::HttpSession(Server& server, std::string id, HttpLoad& load)
    : id_(std::move(id)),
      load_(load),
      replay_(limits::kServedReplayEvents, limits::kServedReplayBytes),
      unasked_replay_(limits::kServedReplayEvents, limits::kServedReplayBytes),
      connection_(server, *this, {[this](std::string_view tool) { return may_call(tool); }}) {}

bool HttpSession::may_call(std::string_view tool) {
  if (!caller_.may_call || caller_.may_call(tool)) return true;
  refused_tool_ = tool;
  return false;
}

// --- a POST ----------------------------------------------------------------------------------

void HttpSession::post(const std::shared_ptr<HttpExchange>& exchange, Accepted accepted,
                       HttpCaller&& caller, Json&& message, std::string_view text) {
  used_ = true;
  caller_ = std::move(caller);
  Stream& stream = open(std::make_unique<Reply>(exchange, accepted, load_));
  if (take_requests(stream, message)) serve(stream.number, std::move(message), text);
}

HttpSession::Stream& HttpSession::open(std::unique_ptr<Reply> reply) {
  const std::uint64_t number = ++last_stream_;
  Stream& stream = streams_.emplace(number, Stream{.number = number}).first->second;
  hear(stream, std::move(reply));
  return stream;
}

// Two requests of one id could not be told apart: the second is refused. False: it was.
bool HttpSession::take_requests(Stream& stream, const Json& message) {
  RequestId taken;
  for_each_message(message, [&](const Json& each) {
    RequestId id = id_of_request(each);
    if (id.empty() || !taken.empty()) return;
    if (requests_.emplace(id.text(), stream.number).second) {
      stream.requests.push_back(std::move(id));
    } else {
      taken = std::move(id);
    }
  });
  if (taken.empty()) return true;
  stream.reply->refuse(taken, id_in_flight(taken));
  forget(stream);
  return false;
}

void HttpSession::serve(std::uint64_t number, Json&& message, std::string_view text) {
  std::vector<RequestId> cancels;
  for_each_message(message, [&cancels](const Json& each) {
    if (RequestId id = cancelled_by(each); !id.empty()) cancels.push_back(std::move(id));
  });
  serving_ = &streams_.at(number);
  connection_.receive_message(std::move(message), text, nullptr);
  serving_ = nullptr;
  for (const RequestId& id : cancels) cancelled(id);
  const auto stream = streams_.find(number);
  if (stream == streams_.end() || !stream->second.requests.empty()) return;
  if (stream->second.reply != nullptr) stream->second.reply->accept();
  forget(stream->second);
}

// The connection sends nothing more for that request, so the stream that has no other to answer is
// over.
void HttpSession::cancelled(const RequestId& id) {
  Stream* stream = stream_of(id);
  if (stream == nullptr) return;
  requests_.erase(id.text());
  std::erase(stream->requests, id);
  if (!stream->requests.empty()) return;
  if (stream->reply != nullptr) stream->reply->end();
  forget(*stream);
}

// --- a GET -----------------------------------------------------------------------------------

void HttpSession::get(const std::shared_ptr<HttpExchange>& exchange, Accepted accepted,
                      std::optional<std::string_view> last_event) {
  used_ = true;
  auto reply = std::make_unique<Reply>(exchange, accepted, load_);
  const std::optional<EventId> after =
      last_event ? EventId::from(*last_event) : EventId{0, unasked_heard_};
  if (!after) return reply->refuse({}, unknown_event());
  Stream* stream = &unasked_;
  if (after->stream != 0) {
    const auto found = streams_.find(after->stream);
    stream = found != streams_.end() && found->second.resumable ? &found->second : nullptr;
  }
  if (stream == nullptr && !replay_.holds_after(*after)) return reply->refuse({}, unknown_event());
  reply->begin_stream();
  replay_of(after->stream).replay(*after, [&reply](std::string event) {
    reply->write(std::move(event));
  });
  if (stream == nullptr) return reply->end();  // its answer was the last of these
  if (stream->reply != nullptr) stream->reply->end();
  hear(*stream, std::move(reply));
  prime(*stream);
  if (stream == &unasked_) unasked_heard_ = last_event_;
}

void HttpSession::hear(Stream& stream, std::unique_ptr<Reply> reply) {
  stream.reply = std::move(reply);
  stream.reply->when_gone([this, number = stream.number] { unheard(number); });
}

void HttpSession::unheard(std::uint64_t number) {
  used_ = true;
  if (number == 0) {
    unasked_.reply.reset();
  } else if (const auto stream = streams_.find(number); stream != streams_.end()) {
    stream->second.reply.reset();
  }
}

// --- messages --------------------------------------------------------------------------------

HttpSession::Stream* HttpSession::stream_of(const RequestId& id) {
  const auto number = requests_.find(id.text());
  return number == requests_.end() ? nullptr : &streams_.at(number->second);
}

void HttpSession::send(std::string&& message, const Envelope& envelope) {
  Stream* stream = envelope.about != nullptr ? stream_of(*envelope.about) : nullptr;
  if (envelope.kind == Envelope::Kind::Answer) {
    const bool forbidden = envelope.error_code == static_cast<int>(RpcCode::Forbidden);
    const int status = forbidden ? 403 : stream != nullptr ? 200 : 400;
    if (stream == nullptr) stream = serving_;
    if (stream != nullptr) answer(*stream, std::move(message), envelope.error_code, status);
    return;
  }
  if (envelope.about == nullptr) return tell(unasked_, message);
  const bool can_hear =
      stream != nullptr &&
      (stream->reply != nullptr ? stream->reply->takes_events() : stream->resumable);
  if (can_hear) {
    tell(*stream, message);
  } else if (envelope.kind == Envelope::Kind::Request) {
    tell(unasked_, message);  // the call waits for what it asks, so it is asked at all
  }
}

// A client that was told an event's id comes back with it, after the pause that it was told too.
void HttpSession::let_go(const RequestId& about) {
  Stream* const stream = stream_of(about);
  if (stream == nullptr || stream->reply == nullptr || !knows_priming(connection_.version())) {
    return;
  }
  begin(*stream);
  if (!stream->reply->is_streaming()) return;
  stream->reply->end();
  stream->reply.reset();
}

void HttpSession::answer(Stream& stream, std::string&& message, int code, int status) {
  Reply* reply = stream.reply.get();
  if (reply != nullptr && code == 0 && !announced_) {
    announced_ = true;
    reply->add_field("Mcp-Session-Id", id_);
  }
  if (reply != nullptr && reply->answers_alone(status)) {
    const bool challenged = status == 403 && caller_.challenge;
    reply->answer(std::move(message), status,
                  challenged ? caller_.challenge(refused_tool_) : HttpFields());
  } else {
    tell(stream, message);
    if (reply != nullptr) reply->end();
  }
  forget(stream);
}

void HttpSession::tell(Stream& stream, std::string_view message) {
  begin(stream);
  const EventId id = {stream.number, ++last_event_};
  std::string event = message_event(message, id.text());
  const bool heard = stream.reply != nullptr && stream.reply->is_streaming();
  stream.resumable |= heard;
  if (stream.resumable || stream.number == 0) replay_of(stream.number).keep(id, event);
  if (!heard) return;
  stream.reply->write(std::move(event));
  if (stream.number == 0) unasked_heard_ = id.number;
}

void HttpSession::begin(Stream& stream) {
  if (stream.reply == nullptr || !stream.reply->is_undecided()) return;
  stream.reply->begin_stream();
  if (stream.reply->is_streaming()) prime(stream);
}

void HttpSession::prime(Stream& stream) {
  if (!knows_priming(connection_.version())) return;
  stream.resumable = true;
  stream.reply->write(priming_event(EventId{stream.number, ++last_event_}.text()));
}

void HttpSession::forget(Stream& stream) {
  for (const RequestId& id : stream.requests) requests_.erase(id.text());
  if (serving_ == &stream) serving_ = nullptr;
  streams_.erase(stream.number);
}

// --- time, and the end -----------------------------------------------------------------------

std::chrono::steady_clock::duration HttpSession::tick(std::chrono::steady_clock::time_point now) {
  for (auto& [number, stream] : streams_) {
    if (stream.waited) begin(stream);
    stream.waited = true;
  }
  if (std::exchange(used_, false) || is_busy()) used_at_ = now;
  return now - used_at_;
}

void HttpSession::keep_alive() {
  if (unasked_.reply != nullptr) unasked_.reply->keep_alive();
  for (auto& [number, stream] : streams_) {
    if (stream.reply != nullptr && stream.reply->is_streaming()) stream.reply->keep_alive();
  }
}

void HttpSession::end_unasked() {
  if (unasked_.reply == nullptr) return;
  unasked_.reply->end();
  unasked_.reply.reset();
}

void HttpSession::end(const Refusal& why) {
  end_unasked();
  for (auto& [number, stream] : std::exchange(streams_, {})) {
    if (stream.reply == nullptr) continue;
    if (stream.reply->is_undecided()) {
      stream.reply->refuse(stream.requests.size() == 1 ? stream.requests.front() : RequestId(),
                           why);
    } else {
      stream.reply->end();
    }
  }
  requests_.clear();
}

}  // namespace pyember::mcp

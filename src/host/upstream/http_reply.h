#pragma once

#include <memory>
#include <optional>
#include <string>

#include "host/upstream/call_out.h"
#include "host/upstream/http_client.h"
#include "host/upstream/sse_parser.h"

namespace pyember::host {

// How an exchange ended whose answer is messages.
struct HttpOutcome {
  HttpHead head;                 // status 0: none came
  bool streamed = false;         // the answer was a stream of events, whole or not
  std::string error_body;        // of a status that is no success; cut to limits::kHttpErrorBytes
  std::optional<Error> failure;  // LimitReached: a message was too large

  bool success() const { return head.status >= 200 && head.status < 300; }
};

// A request whose answer is one JSON text or a stream of events, which may hold many. What it
// says is bounded (limits::kUpstreamMessageBytes each) and not looked into. Loop's thread only.
class HttpReply final : HttpExchange::Owner {
 public:
  // May destroy the reply in all of these, and begin() it again in the last.
  class Owner {
   public:
    virtual void reply_head(const HttpHead& head) = 0;
    virtual void reply_event(SseEvent event) = 0;  // of an answer that is JSON: without a type
    virtual void reply_ended(const HttpOutcome& outcome) = 0;

   protected:
    ~Owner() = default;
  };
  enum class Body { Messages, Ignored };  // of a success; Ignored: there is nothing of use in it

  // Both outlive the reply.
  HttpReply(HttpClient& client, Owner& owner);
  // Sends a request; what there was before is ended.
  void begin(HttpRequest request, Body body = Body::Messages);
  void stop() { exchange_.reset(); }

  const SseParser& stream() const { return parser_; }

 private:
  void http_head(const HttpHead& head) override;
  void http_body(std::string_view bytes) override;
  void http_ended(const std::optional<Error>& failure) override;
  void take_json(std::string_view bytes);
  void take_events(std::string_view bytes);
  void end(std::optional<Error> failure);

  HttpClient& client_;
  Owner& owner_;
  Body body_ = Body::Messages;
  std::unique_ptr<HttpExchange> exchange_;
  SseParser parser_;
  HttpOutcome outcome_;
  std::string json_;
  CallOut::Life life_;
};

}  // namespace pyember::host

#pragma once

#include <chrono>

#include "host/loop/uv_handle.h"
#include "host/upstream/http_reply.h"

namespace pyember::host {

// A GET whose answer is a stream of what the server has to say by itself. Loop's thread only.
class HttpListening final : HttpReply::Owner {
 public:
  enum class Ending {
    GoesOn,    // it is asked for again, after pauses that grow, until the server says no
    IsTheEnd,  // the first time it ends, and when it is not established in kOldSseDeadline
  };
  // May destroy it in listening_event() and listening_over().
  class Owner {
   public:
    virtual HttpRequest listening_request(const std::string& last_event_id) = 0;
    virtual void listening_begun() {}  // it is heard from now on; after each pause again
    virtual void listening_event(SseEvent event) = 0;
    virtual void listening_over(const HttpOutcome& outcome) = 0;  // for good; nothing comes after

   protected:
    ~Owner() = default;
  };

  // The request is asked of `owner` in the next turn of the loop.
  HttpListening(EventLoop& loop, HttpClient& client, Owner& owner, Ending ending);
  void established() { deadline_.stop(); }

 private:
  void ask();
  void reply_head(const HttpHead& head) override;
  void reply_event(SseEvent event) override;
  void reply_ended(const HttpOutcome& outcome) override;

  Owner& owner_;
  const Ending ending_;
  HttpReply reply_;
  Timer again_;
  Timer deadline_;
  std::chrono::milliseconds pause_;
};

}  // namespace pyember::host

#pragma once

#include "mcp/connection.h"
#include "mcp/http/caller.h"
#include "mcp/http/replay.h"
#include "mcp/http/reply.h"
#include "mcp/json.h"
#include "mcp/output.h"
#include "mcp/server.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace pyember::mcp {

// A session of the handshake era: what `initialize` over HTTP opened and Mcp-Session-Id names
// (PROTOCOL: LEG-4 to LEG-9). One connection, whose messages go over many streams: those that
// belong to a request over the response to its POST, all others over that to a GET.
//
// A POST that is answered at once, or nearly, is answered with JSON; of one that takes longer, or
// has more to say than its answer, the response is a stream of events. A client that goes away has
// cancelled nothing: the stream goes on unheard, its last events are kept, and a GET that names
// the last one it saw goes on with it.
//
// Owned by the endpoint. On the loop's thread.
class HttpSession final : public Output {
 public:
  // `id`: unguessable. `load` outlives the session.
  HttpSession(Server& server, std::string id, HttpLoad& load);
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  const std::string& id() const { return id_; }
  bool is_open() const { return connection_.is_open(); }  // initialize was answered with a result

  // One message, or a batch where the version knows those: the body of a POST, `text`, and what was
  // read of it.
  void post(const std::shared_ptr<HttpExchange>& exchange, Accepted accepted, HttpCaller&& caller,
            Json&& message, std::string_view text);
  // A stream for what belongs to no request, which takes the place of one that is open; with
  // `last_event` the stream that it is of, behind it.
  void get(const std::shared_ptr<HttpExchange>& exchange, Accepted accepted,
           std::optional<std::string_view> last_event);

  // Nothing more is said unasked: ends the stream of the last GET. Requests are still answered.
  void end_unasked();
  // Ends all streams, and refuses what is not answered with that.
  void end(const Refusal& why);

  // Somebody listens, or waits for an answer.
  bool is_busy() const { return unasked_.reply != nullptr || !streams_.empty(); }
  std::size_t unanswered() const { return requests_.size(); }
  // For how long it has not been used. Called about once a second, which also begins the streams
  // of requests that take longer.
  std::chrono::steady_clock::duration tick(std::chrono::steady_clock::time_point now);
  void keep_alive();

  void send(std::string&& message, const Envelope& envelope) override;
  void let_go(const RequestId& about) override;

 private:
  // The response to one POST, or (number 0) those to GETs, one after another.
  struct Stream {
    std::uint64_t number = 0;
    std::unique_ptr<Reply> reply = nullptr;  // null: nobody hears it
    std::vector<RequestId> requests = {};    // ids of those that it still has to answer
    bool resumable = false;                  // the client was told an id of its events
    bool waited = false;                     // for a tick
  };

  // A POST's way.
  Stream& open(std::unique_ptr<Reply> reply);
  bool take_requests(Stream& stream, const Json& message);
  void serve(std::uint64_t number, Json&& message, std::string_view text);
  void cancelled(const RequestId& id);
  bool may_call(std::string_view tool);

  // A message's way.
  Stream* stream_of(const RequestId& id);
  void answer(Stream& stream, std::string&& message, int code, int status);
  void tell(Stream& stream, std::string_view message);
  void begin(Stream& stream);
  void prime(Stream& stream);
  Replay& replay_of(std::uint64_t stream) { return stream == 0 ? unasked_replay_ : replay_; }

  void hear(Stream& stream, std::unique_ptr<Reply> reply);
  void unheard(std::uint64_t number);
  void forget(Stream& stream);

  const std::string id_;
  HttpLoad& load_;
  bool announced_ = false;  // the client knows the id
  HttpCaller caller_;       // of the last message
  std::string refused_tool_;
  Stream unasked_;
  std::map<std::uint64_t, Stream> streams_;                  // of POSTs that are not answered
  std::unordered_map<std::string, std::uint64_t> requests_;  // which stream answers which
  Stream* serving_ = nullptr;                                // of the POST that is being served
  std::uint64_t last_stream_ = 0;
  std::uint64_t last_event_ = 0;
  std::uint64_t unasked_heard_ = 0;  // up to which event somebody heard unasked_
  Replay replay_;
  Replay unasked_replay_;
  bool used_ = true;  // since the last tick
  std::chrono::steady_clock::time_point used_at_;
  Connection connection_;  // the first to go: it speaks to what stands above
};

}  // namespace pyember::mcp

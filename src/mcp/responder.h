#pragma once

#include "mcp/eras.h"
#include "mcp/json_rpc.h"
#include "mcp/output.h"
#include "mcp/request_headers.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace pyember::mcp {

class Responder;

// The answers to one JSON-RPC batch, gathered. Shared by the requests of the batch: when the last
// of them is done (answered or cancelled) and lets go of it, the answers go out as one array; if
// there is none, nothing does.
class Batch {
 public:
  Batch(Responder& responder, Ticket ticket) : responder_(responder), ticket_(ticket) {}
  ~Batch();
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  void add(const RequestId& request, std::string_view answer);

 private:
  Responder& responder_;
  const Ticket ticket_;
  RequestId request_;  // the one that was answered last
  std::string answers_;
};

// Where an answer goes and in which form.
struct Recipient {
  RequestId id;
  RequestContext context;
  std::shared_ptr<Batch> batch;  // null: a message of its own
  std::size_t bytes = 0;         // of the line it came in, or its share of a batch
  Ticket ticket = kNoTicket;     // of the line; of a batch the batch gives the answer
};

// A request on its way to its handler.
struct Request {
  Recipient from;
  std::string method;
  Json params;
  const RequestHeaders* headers = nullptr;  // it is to agree with; null: none
};

// How long a modern client may keep a result, and whether others may see it.
struct CachePolicy {
  std::int64_t ttl_ms = 0;
  bool is_public = false;
};

// Builds the outermost layer of everything that is sent on a connection.
class Responder {
 public:
  // `info_member`: "io.modelcontextprotocol/serverInfo":{…}, which outlives it.
  Responder(const std::string& info_member, Output& output);

  // `members`: what the result consists of, as JSON text without the braces. A modern result gets
  // resultType, the cache fields and the server's info around it. `meta`: more for its _meta; null:
  // nothing.
  void result(const Recipient& to, std::string_view members,
              std::optional<CachePolicy> cache = std::nullopt, const Json& meta = nullptr);
  // A modern result that is none yet: `requests`, JSON members without the braces, are to be
  // answered in a call that carries `state`.
  void input_required(const Recipient& to, std::string_view requests, std::string_view state);
  // A modern result that says that the call goes on as a task: `members` of the task.
  void task(const Recipient& to, std::string_view members);
  // The last word on a subscription.
  void subscription_result(const Recipient& to);
  void error(const Recipient& to, const RpcError& error);
  // The same to one whose id is another request's that is still in flight.
  void error_beside(const Recipient& to, const RpcError& error);
  // `about`: the request it belongs to; null: none.
  void notification(const RequestId* about, std::string_view method, std::string_view params);
  // A request of ours, whose `id` is a string without anything to escape.
  void request(const RequestId& about, std::string_view id, std::string_view method,
               std::string_view params);

  // Of a batch's answers, gathered.
  void batch(const RequestId* about, std::string&& answers, Ticket ticket);

  // Nothing is sent from now on, and nothing is asked of the output.
  void close();
  Output& output() { return *output_; }

 private:
  void send(const Recipient& to, std::string&& line, int error_code = 0);

  const std::string& info_member_;
  Output* output_;
};

}  // namespace pyember::mcp

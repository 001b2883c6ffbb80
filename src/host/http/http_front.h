#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "host/front.h"
#include "host/http/caller_exchange.h"
#include "host/http/gate/gate.h"
#include "host/http/http_options.h"
#include "host/http/http_transport.h"
#include "host/loop/event_loop.h"
#include "host/metrics/server_metrics.h"
#include "host/workspace/workspaces.h"
#include "journal/journal.h"
#include "mcp/http/endpoint.h"

namespace pyember::host {

// Clients over HTTP, each with the workspace of their principal. A request goes through the gate,
// then to what its path names; the endpoint's path leads to the principal's own endpoint.
//
// Workspaces are made at their principals' first requests, and given up when there has been nothing
// in them for a while (limits::kIdleWorkspace), or sooner when another principal needs the place.
class HttpFront final : public Front {
 public:
  // What HttpModule gives.
  struct Module {
    std::function<Result<std::unique_ptr<HttpTransport>>(HttpListen, HttpTransport::Handler)>
        listen;
    ReadPublicKey read_public_key = nullptr;
  };
  struct Parts {
    EventLoop& loop;
    journal::Journal& journal;
    std::function<Workspaces&()> workspaces;  // asked from start() on
    ServerMetrics* metrics = nullptr;         // shown at /metrics; null: nothing is there
  };

  HttpFront(Parts parts, HttpOptions options, Module module);
  ~HttpFront() override;

  bool follows_another() override;
  Result<void> start() override;
  void tick(std::uint64_t now_ns) override;
  std::size_t in_flight() const override;
  std::size_t begun() const override;
  bool congested() const override { return false; }  // each response has a bound of its own
  // What has not begun is answered like what has: the next server knows nothing of either.
  Handover hand_over() override;
  void close() override;
  bool flushed() override;

 private:
  using Exchange = std::shared_ptr<mcp::HttpExchange>;
  // Of one principal.
  struct Client {
    Workspace* workspace;
    std::unique_ptr<mcp::HttpEndpoint> endpoint;
    std::uint64_t used_ns;
  };

  void serve(const Exchange& exchange);
  void tell_health(mcp::HttpExchange& exchange);
  void show_metrics(const Exchange& exchange);
  HttpFigures figures() const;
  void admitted(const Exchange& exchange, Caller caller);
  Exchange wrapped(const Exchange& exchange, const Caller& caller);
  mcp::HttpCaller caller_for(const Caller& caller);
  Result<Client*> client_of(const std::string& principal);
  bool is_unused(Client& client) const;
  bool give_up_oldest();
  void give_up(std::string_view principal);
  void cut_off_the_expired();

  const Parts parts_;
  const HttpOptions options_;
  const Module module_;
  Gate gate_;
  std::map<std::string, Client, std::less<>> clients_;
  std::vector<std::weak_ptr<CallerExchange>> streams_;
  std::unique_ptr<HttpTransport> transport_;  // the first to go: it speaks to what stands above
  std::uint64_t started_ns_ = 0;
  bool has_served_ = false;
  bool closing_ = false;
};

}  // namespace pyember::host

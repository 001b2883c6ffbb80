#pragma once

#include <functional>
#include <optional>

#include "host/front.h"
#include "host/transport/stdio.h"
#include "host/workspace/workspace.h"
#include "journal/journal.h"
#include "mcp/connection.h"
#include "mcp/server.h"

namespace pyember::host {

// The one client on stdin and stdout, who has the local workspace.
class StdioFront final : public Front {
 public:
  struct Callbacks {
    std::function<Workspace&()> workspace;  // whose the client is; asked once, at the start
    std::function<void()> input_ended;      // the client closed its end: no more requests come
    std::function<void()> peer_gone;        // nobody reads answers any more
  };

  // All outlive it.
  StdioFront(EventLoop& loop, ProtocolDescriptors descriptors, journal::Journal& journal,
             Callbacks callbacks);

  bool follows_another() override;
  Result<void> start() override;
  void tick(std::uint64_t) override {}
  std::size_t in_flight() const override { return server_->in_flight(); }
  std::size_t begun() const override { return journal_.requests.running(); }
  bool congested() const override { return transport_.congested(); }
  Handover hand_over() override;
  void close() override {}  // its streams end with its stdin
  bool flushed() override;

 private:
  void input_ended();

  journal::Journal& journal_;
  Callbacks callbacks_;
  StdioTransport transport_;
  mcp::Server* server_ = nullptr;
  std::optional<mcp::Connection> connection_;
  mcp::Continuation left_;
};

}  // namespace pyember::host

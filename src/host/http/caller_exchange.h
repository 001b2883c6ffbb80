#pragma once

#include <functional>
#include <memory>
#include <string>

#include "host/http/gate/caller.h"
#include "mcp/http/exchange.h"

namespace pyember::host {

// An exchange with a caller who was let in: their responses get the fields that the gate adds, and
// a stream can be broken off when they may not come in any more (their token has expired), as if
// the client had gone. Loop's thread only.
class CallerExchange final : public mcp::HttpExchange,
                             public std::enable_shared_from_this<CallerExchange> {
 public:
  // Told when a stream begins: such an exchange lasts.
  using Streaming = std::function<void(const std::shared_ptr<CallerExchange>&)>;

  CallerExchange(std::shared_ptr<mcp::HttpExchange> inner, Caller caller, mcp::HttpFields added,
                 Streaming streaming);

  const Caller& caller() const { return caller_; }
  void revoke();

  const mcp::HttpRequest& request() const override { return inner_->request(); }
  void respond(int status, const mcp::HttpFields& fields, std::string&& body) override;
  void begin_stream(int status, const mcp::HttpFields& fields) override;
  void write(std::string&& piece) override;
  void end() override;
  std::size_t pending_bytes() const override { return inner_->pending_bytes(); }
  void on_gone(std::function<void()> callback) override;
  bool is_gone() const override { return revoked_ || inner_->is_gone(); }

 private:
  // Outlives this where the transport has still something to send.
  struct Gone {
    std::function<void()> callback;
    void tell();
  };

  mcp::HttpFields with_added(const mcp::HttpFields& fields) const;

  const std::shared_ptr<mcp::HttpExchange> inner_;  // shared with the transport
  const Caller caller_;
  const mcp::HttpFields added_;
  const Streaming streaming_;
  const std::shared_ptr<Gone> gone_ = std::make_shared<Gone>();
  bool revoked_ = false;
};

}  // namespace pyember::host

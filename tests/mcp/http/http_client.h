#pragma once

#include "mcp/http/endpoint.h"
#include "support/fake_exchange.h"
#include "support/scripted_server.h"

#include <memory>
#include <string>

namespace pyember::test {

using Exchange = std::shared_ptr<FakeExchange>;

// An endpoint with a server behind it, and what a client of either era sends there. Beside the
// scripted tools there is `route {Region, size}`, whose arguments are headers as well.
struct HttpClient {
  explicit HttpClient(mcp::HttpBounds bounds = mcp::HttpBounds::standard());

  Exchange send(const std::string& method, const std::string& body, mcp::HttpFields fields);
  // A POST with the usual head; `more` comes first, and so is what counts.
  Exchange post(const std::string& body, mcp::HttpFields more = {});

  // The modern era. `params` without _meta, which `meta` adds to.
  static mcp::Json modern(const mcp::Json& id, const std::string& method,
                          mcp::Json params = mcp::Json::object(),
                          mcp::Json meta = mcp::Json::object());
  static mcp::HttpFields head_of(const mcp::Json& message);
  Exchange call(const mcp::Json& message, mcp::HttpFields more = {});
  Exchange tool(const mcp::Json& id, const std::string& name,
                const mcp::Json& arguments = mcp::Json::object(),
                const mcp::Json& meta = mcp::Json::object());
  Exchange listen(const mcp::Json& id, const mcp::Json& notifications);

  // The handshake era.
  Exchange initialize(const std::string& version = "2025-11-25",
                      const mcp::Json& capabilities = mcp::Json::object());
  Exchange in_session(const mcp::Json& message, mcp::HttpFields more = {});
  Exchange request(const mcp::Json& id, const std::string& method,
                   const mcp::Json& params = mcp::Json::object());
  Exchange session_tool(const mcp::Json& id, const std::string& name,
                        const mcp::Json& arguments = mcp::Json::object());
  Exchange notify(const std::string& method, const mcp::Json& params = mcp::Json::object());
  Exchange get(mcp::HttpFields more = {});
  Exchange remove();

  // So many seconds pass, one tick each.
  void seconds(int count);

  ScriptedServer scripted;
  mcp::HttpCaller caller;
  std::string session;  // of the last initialize()
  std::string version;
  std::chrono::steady_clock::time_point now;
  std::unique_ptr<mcp::HttpEndpoint> endpoint;
};

}  // namespace pyember::test

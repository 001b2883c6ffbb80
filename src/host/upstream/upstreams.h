#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "host/loop/event_loop.h"
#include "host/upstream/config/definition.h"
#include "host/upstream/transport.h"
#include "mcp/json.h"

namespace pyember::host {

class Upstream;

// Why a request to an upstream has no result. The message is in three parts and may be shown to
// code; it holds nothing secret of the configuration.
struct UpstreamFailure {
  enum class Kind {
    UnknownServer,  // nothing of that name is configured
    Start,          // it could not be started, or spoke no protocol of ours
    Lost,           // it ended while the request was in flight; whether it was done is not known
    Timeout,
    Cancelled,  // by cancel(), or because the server ends
    Limit,      // too many requests wait
    TooLarge,   // an answer, or the request itself, above limits::kUpstreamMessageBytes
    Protocol,   // an answer that breaks the protocol's rules
    Rpc,        // a JSON-RPC error, which is in `rpc_code` and `rpc_data`
  };
  Kind kind = Kind::Protocol;
  std::string message;
  int rpc_code = 0;
  mcp::Json rpc_data;
};
// The word for it on the calls channel: "unknown_server", "start", "lost", "timeout", "cancelled",
// "limit", "too_large", "upstream" (of the last two).
std::string_view kind_word(UpstreamFailure::Kind kind);

// The JSON-RPC result as it came, or why there is none. A tool that answers isError has a result.
struct UpstreamAnswer {
  mcp::Json result;
  std::optional<UpstreamFailure> failure;
  bool ok() const { return !failure; }
};

// Answers what an upstream wants to know in the middle of a request: a result in the protocol's
// form, or why there is none; once, perhaps before it returns.
using UpstreamAnswered = std::function<void(Result<mcp::Json>)>;
// Whoever is asked it ("elicitation/create", "sampling/createMessage" or "roots/list"). Returns
// what takes the question back, after which nothing is answered; empty: it is answered already.
using UpstreamQuestions = std::function<std::function<void()>(
    const std::string& method, const mcp::Json& params, UpstreamAnswered answered)>;

struct UpstreamRequest {
  std::string server;  // name or alias
  std::string method;
  mcp::Json params;                      // an object; no "_meta" but trace keys
  std::chrono::milliseconds timeout{0};  // 0: limits::kUpstreamCallTimeout; with the start's time
  // Progress that the upstream tells: done, total, message. Empty: none is asked for.
  std::function<void(double, std::optional<double>, std::string_view)> progress;
  // Its time stands still while a question of it is open. Empty: it may ask nothing.
  UpstreamQuestions questions = {};
};

struct UpstreamSettings {
  TransportSettings transport;
  std::chrono::milliseconds start_deadline = limits::kUpstreamStartDeadline;
  std::chrono::milliseconds probe_deadline = limits::kUpstreamProbeDeadline;
  std::chrono::milliseconds idle_timeout = limits::kUpstreamIdleTimeout;
  // Which questions of upstreams are answered, in the protocol's form (mcp::ClientSettings).
  mcp::Json capabilities = mcp::Json::object();
};

// The configured MCP servers behind this one. Each is started when it is first asked for anything,
// shared by all sessions, kept while it is used, started again when it died, and stopped when it
// was idle for long. One owner, on the loop's thread; nothing here waits.
//
// Every Done is called exactly once, in a later turn of the loop or in the one of the answer, and
// never out of the call that took it. It may call anything here. Destroying this ends all upstreams
// at once and calls nothing.
class Upstreams {
 public:
  using Done = std::function<void(UpstreamAnswer)>;
  using ToolsListed =
      std::function<void(const UpstreamDefinition&, const mcp::Json& tools, double start_seconds)>;

  Upstreams(EventLoop& loop, UpstreamConfiguration configuration, UpstreamSettings settings);
  ~Upstreams();
  Upstreams(const Upstreams&) = delete;
  Upstreams& operator=(const Upstreams&) = delete;

  const UpstreamConfiguration& configuration() const;
  const std::vector<UpstreamDefinition>& definitions() const;
  const std::vector<std::string>& warnings() const;  // of the configuration
  // By name, or else by alias; null: there is none.
  const UpstreamDefinition* find(std::string_view name_or_alias) const;

  // Which questions are answered (mcp::ClientSettings), for upstreams that are started from now on.
  void declare(mcp::Json capabilities);

  // The id, never 0, is for cancel().
  std::uint64_t request(UpstreamRequest request, Done done);
  std::uint64_t call_tool(std::string_view server, std::string_view tool, mcp::Json arguments,
                          std::chrono::milliseconds timeout, Done done,
                          decltype(UpstreamRequest::progress) progress = {});
  // All entries of a list that comes in pages: "tools/list" (also told to on_tools),
  // "resources/list", "resources/templates/list", "prompts/list". The answer's result has the
  // list's one member, "tools", "resources", "resourceTemplates" or "prompts". An upstream that
  // does not offer such things has an empty list.
  std::uint64_t list(std::string_view server, std::string_view method,
                     std::chrono::milliseconds timeout, Done done);
  // Its Done is called with Kind::Cancelled, and the upstream is told. Unknown ids are ignored.
  void cancel(std::uint64_t id);

  // Has it running. The result is {"protocolVersion":…, "serverInfo":…, "instructions":…,
  // "capabilities":…, "startSeconds":…}, as the upstream said them.
  std::uint64_t start(std::string_view server, Done done);
  bool running(std::string_view server) const;
  std::vector<std::string> running_names() const;  // those that run or start, in the given order

  // After each listing of an upstream's tools: whenever it has been started, and after each
  // tools/list_changed. `tools` is the array of tools as it came, bounded; `start_seconds` is how
  // long its latest start took. One listener.
  void on_tools(ToolsListed listener);

  // For people: [{"name":…, "alias":…, "state":"stopped"|"starting"|"running"|"failed"|"ending",
  // "starts":…, "inFlight":…, "error": of the latest that failed or was lost, and of one that runs
  // "protocolVersion":…, "startSeconds":…}], in the given order.
  mcp::Json describe() const;
  // Ends all in an orderly way, and those that take longer by force; `done` is called once. What is
  // in flight is answered with Kind::Cancelled.
  void end(std::chrono::milliseconds deadline, std::function<void()> done);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pyember::host

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "host/metrics/registry.h"
#include "host/metrics/server_figures.h"
#include "mcp/call_meter.h"

namespace pyember::host {

// Every number that /metrics shows (docs/observability.md). Calls are counted here as they end;
// what stands somewhere anyway is asked for when somebody looks.
//
// What is in a label is the server's own: names of tools that it lists and of MCP servers that are
// configured, and words of this program. Nothing of callers, code or arguments is. Owned by the
// App, and only where there is something to look at it through; outlives workspaces and the
// gateway. Loop's thread only.
class ServerMetrics {
 public:
  // Nanoseconds of a clock that only goes forward.
  using Clock = std::function<std::uint64_t()>;

  // `restarts`: how many servers this process's supervisor had before.
  explicit ServerMetrics(std::uint64_t restarts);
  ServerMetrics(std::uint64_t restarts, Clock clock);
  ~ServerMetrics();
  ServerMetrics(const ServerMetrics&) = delete;
  ServerMetrics& operator=(const ServerMetrics&) = delete;

  // Of all tools of that name, in whichever workspace. No name: of tools that are not there.
  mcp::CallMeter& meter_of(std::string_view tool);

  // A call of an MCP server behind this one is over: "ok", or the kind of its error (a literal).
  // Beyond limits::kMeteredUpstreams names they are counted together.
  void upstream_call_ended(std::string_view server, std::string_view outcome,
                           std::chrono::nanoseconds took);

  // What a scrape is answered with.
  std::string text(const WorkspaceFigures& workspaces, const HttpFigures& http);

 private:
  class ToolMeter;
  // Of one MCP server.
  struct UpstreamMeter {
    std::map<std::string, Counter*, std::less<>> calls;  // by outcome
    Histogram* seconds = nullptr;
  };

  UpstreamMeter& meter_of_upstream(std::string_view server, std::string_view& label);
  void show(const WorkspaceFigures& figures);
  void show(const HttpFigures& figures);
  void show_process();

  const Clock clock_;
  MetricRegistry registry_;
  std::map<std::string, std::unique_ptr<ToolMeter>, std::less<>> tools_;
  std::map<std::string, UpstreamMeter, std::less<>> upstreams_;
  std::size_t calls_in_flight_ = 0;
  std::size_t open_questions_ = 0;
};

}  // namespace pyember::host

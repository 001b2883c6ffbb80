#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mcp/resources.h"

// MCP Apps (the extension io.modelcontextprotocol/ui): what hosts show for a call of a tool,
// besides its answer. See docs/apps.md.
namespace pyember::host {

inline constexpr std::string_view kViewScheme = "ui://";
inline constexpr const char* kJobViewUri = "ui://pyember/job.html";
inline constexpr const char* kBenchmarkViewUri = "ui://pyember/benchmark.html";

// The memory over time, in the _meta of a benchmark's answer, for its view: [[seconds, bytes], …].
inline constexpr const char* kMemoryCurveMeta = "pyember/memory_curve";

// A listed tool's _meta, and in it that calls of it are shown by the view.
mcp::Json shown_by(const char* view_uri, mcp::Json meta);

// What a server that has views says of it in its capabilities.
mcp::Json view_extensions();

// The views, as resources of ui://pyember/. They are the same for everybody, hold nothing but code,
// and load nothing.
class ViewResources final : public mcp::ResourceCatalog {
 public:
  std::vector<mcp::Resource> list(std::string_view after, std::size_t limit) override;
  std::vector<mcp::ResourceTemplate> templates() override { return {}; }
  void read(std::string_view uri, mcp::ReadCompletion done) override;
  bool subscribable(std::string_view) override { return false; }  // they never change
};

}  // namespace pyember::host

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/session/session_registry.h"
#include "mcp/resources.h"

namespace pyember::host {

// What a session-output URI names.
struct OutputAddress {
  std::string session;
  embed::CellNumber cell = 0;
  Stream stream = Stream::Stdout;
  std::uint64_t offset = 0;  // in bytes
  std::size_t limit = 0;     // in bytes, never above limits::kOutputPageBytes
};

std::optional<OutputAddress> parse_output_uri(std::string_view uri);

// The sessions' output as MCP resources. Every byte that is held can be read, in pages; the list
// names the outputs that an answer did not show whole. Loop's thread only.
class OutputResources final : public mcp::ResourceCatalog {
 public:
  explicit OutputResources(SessionRegistry& registry) : registry_(registry) {}

  std::vector<mcp::Resource> list(std::string_view after, std::size_t limit) override;
  std::vector<mcp::ResourceTemplate> templates() override;
  void read(std::string_view uri, mcp::ReadCompletion done) override;
  bool subscribable(std::string_view uri) override;

 private:
  Result<std::vector<mcp::ResourceContent>> page(std::string_view uri);

  SessionRegistry& registry_;
};

}  // namespace pyember::host

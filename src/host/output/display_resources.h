#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/session/session_products.h"
#include "mcp/resources.h"

namespace pyember::host {

// What a session-display URI names.
struct DisplayAddress {
  std::string session;
  embed::CellNumber cell = 0;
  DisplayStore::Number number = 0;
};
std::optional<DisplayAddress> parse_display_uri(std::string_view uri);

// What cells showed, as MCP resources: session-display://{session}/{cell}/{number}, whole. Loop's
// thread only.
class DisplayResources final : public mcp::ResourceCatalog {
 public:
  explicit DisplayResources(ProductsByName products) : products_(std::move(products)) {}

  std::vector<mcp::Resource> list(std::string_view after, std::size_t limit) override;
  std::vector<mcp::ResourceTemplate> templates() override;
  void read(std::string_view uri, mcp::ReadCompletion done) override;
  bool subscribable(std::string_view) override { return false; }  // they never change

 private:
  Result<std::vector<mcp::ResourceContent>> content(std::string_view uri);

  const ProductsByName products_;
};

}  // namespace pyember::host

#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mcp/resources.h"

namespace pyember::host {

// Several catalogs as one: each answers for the URIs of its scheme ("job-stream://"), the first
// one also for those that are nobody's. They outlive the router.
class ResourceRouter final : public mcp::ResourceCatalog {
 public:
  using Route = std::pair<std::string, mcp::ResourceCatalog*>;

  explicit ResourceRouter(std::vector<Route> routes) : routes_(std::move(routes)) {}

  std::vector<mcp::Resource> list(std::string_view after, std::size_t limit) override;
  std::vector<mcp::ResourceTemplate> templates() override;
  void read(std::string_view uri, mcp::ReadCompletion done) override;
  bool subscribable(std::string_view uri) override;

 private:
  mcp::ResourceCatalog& catalog_of(std::string_view uri) const;

  const std::vector<Route> routes_;
};

}  // namespace pyember::host

#include "host/output/resource_router.h"

#include <algorithm>

namespace pyember::host {

// Each catalog's page is sorted by URI, so the first `limit` of all of them are the page.
std::vector<mcp::Resource> ResourceRouter::list(std::string_view after, std::size_t limit) {
  std::vector<mcp::Resource> all;
  for (const auto& [scheme, catalog] : routes_) {
    for (mcp::Resource& resource : catalog->list(after, limit)) all.push_back(std::move(resource));
  }
  std::sort(all.begin(), all.end(), [](const mcp::Resource& one, const mcp::Resource& other) {
    return one.uri < other.uri;
  });
  if (all.size() > limit) all.resize(limit);
  return all;
}

std::vector<mcp::ResourceTemplate> ResourceRouter::templates() {
  std::vector<mcp::ResourceTemplate> all;
  for (const auto& [scheme, catalog] : routes_) {
    for (mcp::ResourceTemplate& one : catalog->templates()) all.push_back(std::move(one));
  }
  return all;
}

void ResourceRouter::read(std::string_view uri, mcp::ReadCompletion done) {
  catalog_of(uri).read(uri, std::move(done));
}

bool ResourceRouter::subscribable(std::string_view uri) {
  return catalog_of(uri).subscribable(uri);
}

mcp::ResourceCatalog& ResourceRouter::catalog_of(std::string_view uri) const {
  for (const auto& [scheme, catalog] : routes_) {
    if (uri.starts_with(scheme)) return *catalog;
  }
  return *routes_.front().second;
}

}  // namespace pyember::host

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/output/uri_parts.h"
#include "host/session/session_products.h"
#include "mcp/resources.h"

namespace pyember::host {

// What a session-file URI names.
struct FileAddress {
  std::string session;
  std::string path;
  PageRange range;
};
std::optional<FileAddress> parse_file_uri(std::string_view uri);

// The kind of a file by the end of its name; empty: unknown.
std::string_view mime_of_path(std::string_view path);

// The files in the sessions' folders as MCP resources, read in pages like output. Loop's thread
// only.
class SessionFileResources final : public mcp::ResourceCatalog {
 public:
  explicit SessionFileResources(ProductsByName products) : products_(std::move(products)) {}

  std::vector<mcp::Resource> list(std::string_view after, std::size_t limit) override;
  std::vector<mcp::ResourceTemplate> templates() override;
  void read(std::string_view uri, mcp::ReadCompletion done) override;
  bool subscribable(std::string_view) override { return false; }  // nobody watches the folders

 private:
  Result<std::vector<mcp::ResourceContent>> page(std::string_view uri);

  const ProductsByName products_;
};

}  // namespace pyember::host

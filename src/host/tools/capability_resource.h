#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mcp/resources.h"

namespace pyember::host {

inline constexpr std::string_view kCapabilityUri =
    "resource://mcp-server-code-execution-mode/capabilities";

// One page on what code can do in profile code, for clients that show it to their model. Stands
// first among a router's catalogs: what nobody has is unknown here too, and told as code mode's
// clients know it.
class CapabilityResource final : public mcp::ResourceCatalog {
 public:
  std::vector<mcp::Resource> list(std::string_view after, std::size_t limit) override;
  std::vector<mcp::ResourceTemplate> templates() override { return {}; }
  void read(std::string_view uri, mcp::ReadCompletion done) override;
  bool subscribable(std::string_view) override { return false; }  // it never changes

  static std::string text();
};

}  // namespace pyember::host

#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "host/upstream/tools/tool_description.h"

namespace pyember::host {

// Finds tools by what they do (docs/tool-search.md). Made from lists that don't change; another one
// is made when they have. Any thread, one at a time.
class ToolIndex {
 public:
  struct Found {
    const ServerTools* server;  // both are the index's: they live as long as it does
    const ToolDescription* tool;
    double score;  // only to be compared with others of the same search
  };

  explicit ToolIndex(std::vector<SharedTools> servers);
  ~ToolIndex();
  ToolIndex(ToolIndex&&) noexcept;
  ToolIndex& operator=(ToolIndex&&) noexcept;

  // The best first, at most `limit`; empty when nothing fits. The query is anybody's text: bounded
  // by limits::kSearchQueryBytes, what is behind that is not looked at.
  std::vector<Found> search(std::string_view query, std::size_t limit) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pyember::host

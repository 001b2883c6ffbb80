#pragma once

#include "base/result.h"
#include "mcp/json.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pyember::mcp {

struct Resource {
  std::string uri;
  std::string name;
  std::string title;  // empty: left out, as below
  std::string description;
  std::string mime_type;
  std::optional<std::uint64_t> size;  // bytes
};

struct ResourceTemplate {
  std::string
      uri_template;  // RFC 6570, e.g. session-output://{session}/{cell}/{stream}{?offset,limit}
  std::string name;
  std::string title;
  std::string description;
  std::string mime_type;
};

// One piece of what a read returns: text (any bytes; what is not UTF-8 is replaced) or base64.
struct ResourceContent {
  std::string uri;
  std::string mime_type;
  std::string data;
  bool is_base64 = false;
  Json meta;  // the item's _meta; null: none
};

using ReadCompletion = std::function<void(Result<std::vector<ResourceContent>>)>;

// What can be read, implemented by the host. Called on the loop's thread. The same for every
// caller of the pipe; how much one read returns is bounded by the implementation.
class ResourceCatalog {
 public:
  virtual ~ResourceCatalog() = default;

  // At most `limit` concrete resources that come after the one named `after` in an order that
  // does not change between calls (sort by URI). `after` empty: from the first; `after` may have
  // gone in the meantime: go on where it would be. Fewer than `limit` means that was the last page.
  virtual std::vector<Resource> list(std::string_view after, std::size_t limit) = 0;

  virtual std::vector<ResourceTemplate> templates() = 0;

  // Calls `done` once, at once or later, on the loop's thread. NotFound becomes the error code of
  // the caller's era. A `done` whose request was cancelled, or whose server is gone, does nothing.
  virtual void read(std::string_view uri, ReadCompletion done) = 0;

  // Whether Server::resource_updated may ever be called for this URI.
  virtual bool subscribable(std::string_view uri) = 0;
};

}  // namespace pyember::mcp

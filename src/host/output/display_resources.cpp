#include "host/output/display_resources.h"

#include <fmt/format.h>

#include <utility>

#include "base/base64.h"
#include "base/utf8.h"
#include "host/output/uri_parts.h"

namespace pyember::host {

namespace {

Error not_found(std::string_view uri, const std::string& why) {
  return {ErrorCode::NotFound,
          fmt::format("There is nothing to read at {}: {}. What cells show is read at "
                      "session-display://SESSION/CELL/NUMBER; run_python's answer links to it.",
                      uri.substr(0, 200), why)};
}

}  // namespace

std::optional<DisplayAddress> parse_display_uri(std::string_view uri) {
  if (!uri.starts_with(kDisplayScheme)) return std::nullopt;
  uri.remove_prefix(kDisplayScheme.size());
  DisplayAddress address;
  const auto session = percent_decoded(take_until(uri, '/'));
  std::uint64_t number = 0;
  if (!session || !parse_number(take_until(uri, '/'), address.cell) || !parse_number(uri, number)) {
    return std::nullopt;
  }
  address.session = *session;
  address.number = static_cast<DisplayStore::Number>(number);
  return address;
}

std::vector<mcp::Resource> DisplayResources::list(std::string_view after, std::size_t limit) {
  std::map<std::string, mcp::Resource> sorted;
  for (const auto& [name, products] : products_()) {
    for (const auto& [cell, displays] : products->displays().cells()) {
      for (std::size_t i = 0; i < displays.size(); ++i) {
        mcp::Resource resource;
        resource.uri = display_uri(name, cell, i + 1);
        if (resource.uri <= after) continue;
        resource.name = fmt::format("display {} of cell {} in session {}", i + 1, cell, name);
        resource.mime_type = displays[i].mime;
        resource.size = displays[i].data.size();
        sorted.emplace(resource.uri, std::move(resource));
        if (sorted.size() > limit) sorted.erase(std::prev(sorted.end()));
      }
    }
  }
  std::vector<mcp::Resource> resources;
  for (auto& [uri, resource] : sorted) resources.push_back(std::move(resource));
  return resources;
}

std::vector<mcp::ResourceTemplate> DisplayResources::templates() {
  mcp::ResourceTemplate display;
  display.uri_template = "session-display://{session}/{cell}/{number}";
  display.name = "session-display";
  display.title = "Something a cell showed";
  display.description = "A picture, table or document that a cell displayed, whole.";
  return {display};
}

void DisplayResources::read(std::string_view uri, mcp::ReadCompletion done) { done(content(uri)); }

Result<std::vector<mcp::ResourceContent>> DisplayResources::content(std::string_view uri) {
  const auto address = parse_display_uri(uri);
  if (!address) return not_found(uri, "the address is malformed");
  const auto sessions = products_();
  const auto session = sessions.find(address->session);
  if (session == sessions.end()) {
    return not_found(uri, fmt::format("there is no session '{}'", address->session.substr(0, 80)));
  }
  const DisplayStore& store = session->second->displays();
  const StoredDisplay* display = store.find(address->cell, address->number);
  if (display == nullptr) {
    return not_found(uri, address->cell != 0 && address->cell <= store.dropped_up_to()
                              ? "the session's displays passed their limit and the oldest were "
                                "dropped"
                              : fmt::format("cell {} showed no such thing", address->cell));
  }
  mcp::ResourceContent content;
  content.uri = std::string(uri);
  content.mime_type = display->mime;
  content.is_base64 = !utf8::is_valid(display->data);
  content.data = content.is_base64 ? base64_encoded(display->data) : display->data;
  std::vector<mcp::ResourceContent> contents;
  contents.push_back(std::move(content));
  return contents;
}

}  // namespace pyember::host

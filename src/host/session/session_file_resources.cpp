#include "host/session/session_file_resources.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/base64.h"
#include "base/limits.h"
#include "base/utf8.h"

namespace pyember::host {

namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 18> kMimes = {{
    {".txt", "text/plain"},
    {".log", "text/plain"},
    {".py", "text/x-python"},
    {".md", "text/markdown"},
    {".csv", "text/csv"},
    {".tsv", "text/tab-separated-values"},
    {".json", "application/json"},
    {".html", "text/html"},
    {".xml", "application/xml"},
    {".yaml", "application/yaml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".gif", "image/gif"},
    {".webp", "image/webp"},
    {".svg", "image/svg+xml"},
    {".pdf", "application/pdf"},
    {".zip", "application/zip"},
}};

Error not_found(std::string_view uri, const std::string& why) {
  return {ErrorCode::NotFound,
          fmt::format("There is nothing to read at {}: {}", uri.substr(0, 200), why)};
}

}  // namespace

std::string_view mime_of_path(std::string_view path) {
  for (const auto& [end, mime] : kMimes) {
    if (path.ends_with(end)) return mime;
  }
  return {};
}

std::optional<FileAddress> parse_file_uri(std::string_view uri) {
  if (!uri.starts_with(kFileScheme)) return std::nullopt;
  uri.remove_prefix(kFileScheme.size());
  std::string_view place = take_until(uri, '?');
  const auto session = percent_decoded(take_until(place, '/'));
  const auto path = percent_decoded(place);
  const auto range = parse_page_query(uri);
  if (!session || session->empty() || !path || path->empty() || !range) return std::nullopt;
  return FileAddress{*session, *path, *range};
}

std::vector<mcp::Resource> SessionFileResources::list(std::string_view after, std::size_t limit) {
  std::map<std::string, mcp::Resource> sorted;
  for (const auto& [name, products] : products_()) {
    if (products->folder() == nullptr) continue;
    for (const SessionFile& file : products->folder()->files()) {
      mcp::Resource resource;
      resource.uri = file_uri(name, file.path);
      if (resource.uri <= after) continue;
      resource.name = file.path;
      resource.description = fmt::format("A file of session {}.", name);
      resource.mime_type = mime_of_path(file.path);
      resource.size = file.bytes;
      sorted.emplace(resource.uri, std::move(resource));
      if (sorted.size() > limit) sorted.erase(std::prev(sorted.end()));
    }
  }
  std::vector<mcp::Resource> resources;
  for (auto& [uri, resource] : sorted) resources.push_back(std::move(resource));
  return resources;
}

std::vector<mcp::ResourceTemplate> SessionFileResources::templates() {
  mcp::ResourceTemplate file;
  file.uri_template = "session-file://{session}/{+path}{?offset,limit}";
  file.name = "session-file";
  file.title = "File of a session";
  file.description = fmt::format(
      "A file in a session's folder (os.environ['PYEMBER_SESSION_FOLDER'] there). offset and limit "
      "count bytes; one read returns {} bytes at most, and its _meta names the next page.",
      limits::kOutputPageBytes);
  return {file};
}

void SessionFileResources::read(std::string_view uri, mcp::ReadCompletion done) { done(page(uri)); }

Result<std::vector<mcp::ResourceContent>> SessionFileResources::page(std::string_view uri) {
  const auto address = parse_file_uri(uri);
  if (!address) {
    return not_found(uri,
                     "the address is malformed. Files are read at session-file://SESSION/PATH.");
  }
  const auto sessions = products_();
  const auto session = sessions.find(address->session);
  if (session == sessions.end() || session->second->folder() == nullptr) {
    return not_found(uri, fmt::format("there is no session '{}' with a folder. list_sessions names "
                                      "the sessions.",
                                      address->session.substr(0, 80)));
  }
  auto read =
      session->second->folder()->read(address->path, address->range.offset, address->range.limit);
  if (!read) return not_found(uri, read.error().message);
  SessionFolder::Page page = read.take();
  mcp::ResourceContent content;
  content.uri = std::string(uri);
  content.data = std::move(page.data);
  std::uint64_t next = address->range.offset + content.data.size();
  if (next < page.size) {
    // Where text goes on, a character is not cut in two.
    const std::size_t split = utf8::incomplete_suffix(content.data);
    if (split < content.data.size()) {
      content.data.resize(content.data.size() - split);
      next -= split;
    }
  }
  content.is_base64 = !utf8::is_valid(content.data);
  content.mime_type = mime_of_path(address->path);
  if (content.mime_type.empty()) {
    content.mime_type = content.is_base64 ? "application/octet-stream" : "text/plain";
  }
  if (content.is_base64) content.data = base64_encoded(content.data);
  content.meta = {{"offset", address->range.offset}, {"size", page.size}};
  if (next < page.size && next > address->range.offset) {
    content.meta["nextUri"] =
        fmt::format("{}?offset={}&limit={}", file_uri(address->session, address->path), next,
                    address->range.limit);
  }
  std::vector<mcp::ResourceContent> contents;
  contents.push_back(std::move(content));
  return contents;
}

}  // namespace pyember::host

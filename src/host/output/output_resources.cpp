#include "host/output/output_resources.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "base/base64.h"
#include "base/utf8.h"
#include "host/output/excerpt.h"
#include "host/output/uri_parts.h"

namespace pyember::host {

namespace {

constexpr std::string_view kScheme = "session-output://";

Error not_found(std::string_view uri, const std::string& why) {
  return {ErrorCode::NotFound,
          fmt::format("There is nothing to read at {}: {}. Output is read at "
                      "session-output://SESSION/CELL/stdout or …/stderr; run_python's answer links "
                      "to it.",
                      uri.substr(0, 200), why)};
}

}  // namespace

std::optional<OutputAddress> parse_output_uri(std::string_view uri) {
  if (!uri.starts_with(kScheme)) return std::nullopt;
  uri.remove_prefix(kScheme.size());
  OutputAddress address;
  std::string_view path = take_until(uri, '?');
  const auto session = percent_decoded(take_until(path, '/'));
  if (!session || !check_session_name(*session)) return std::nullopt;
  address.session = *session;
  if (!parse_number(take_until(path, '/'), address.cell)) return std::nullopt;
  if (path == "stderr") {
    address.stream = Stream::Stderr;
  } else if (path != "stdout") {
    return std::nullopt;
  }
  const auto range = parse_page_query(uri);
  if (!range) return std::nullopt;
  address.offset = range->offset;
  address.limit = range->limit;
  return address;
}

std::vector<mcp::Resource> OutputResources::list(std::string_view after, std::size_t limit) {
  std::map<std::string, mcp::Resource> sorted;
  for (const auto& [name, session] : registry_.sessions()) {
    for (const auto& [number, output] : session->outputs().cells()) {
      for (const Stream stream : {Stream::Stdout, Stream::Stderr}) {
        if (!output->listed[static_cast<int>(stream)]) continue;
        mcp::Resource resource;
        resource.uri = output_uri(name, number, stream);
        if (resource.uri <= after) continue;
        resource.name = fmt::format("{} of cell {} in session {}", to_string(stream), number, name);
        resource.description = "Output that was too long to be answered whole.";
        resource.mime_type = "text/plain";
        resource.size = output->of(stream).size();
        sorted.emplace(resource.uri, std::move(resource));
        if (sorted.size() > limit) sorted.erase(std::prev(sorted.end()));
      }
    }
  }
  std::vector<mcp::Resource> resources;
  for (auto& [uri, resource] : sorted) resources.push_back(std::move(resource));
  return resources;
}

std::vector<mcp::ResourceTemplate> OutputResources::templates() {
  mcp::ResourceTemplate output;
  output.uri_template = "session-output://{session}/{cell}/{stream}{?offset,limit}";
  output.name = "session-output";
  output.title = "Output of a cell";
  output.description = fmt::format(
      "What a cell wrote to its stream (stdout or stderr), while it runs and afterwards. offset "
      "and limit count bytes; one read returns {} bytes at most, and its _meta names the next "
      "page.",
      limits::kOutputPageBytes);
  output.mime_type = "text/plain";
  return {output};
}

void OutputResources::read(std::string_view uri, mcp::ReadCompletion done) { done(page(uri)); }

Result<std::vector<mcp::ResourceContent>> OutputResources::page(std::string_view uri) {
  const auto address = parse_output_uri(uri);
  if (!address) return not_found(uri, "the address is malformed");
  HostSession* session = registry_.find(address->session);
  if (session == nullptr) return not_found(uri, registry_.no_session(address->session).message);
  if (address->cell == 0 || address->cell >= session->next_number()) {
    return not_found(uri,
                     fmt::format("session '{}' has no cell {}", session->name(), address->cell));
  }
  const CellOutput* output = session->outputs().find(address->cell);
  if (output == nullptr && address->cell <= session->outputs().dropped_up_to()) {
    return not_found(uri, fmt::format("the session's held output passed its limit of {} bytes and "
                                      "the oldest was dropped",
                                      session->outputs().held_limit()));
  }
  mcp::ResourceContent content;
  content.uri = std::string(uri);
  content.mime_type = "text/plain";
  content.meta = mcp::Json::object();
  std::uint64_t size = 0;
  std::uint64_t next = 0;
  if (output != nullptr) {
    const OutputBuffer& buffer = output->of(address->stream);
    size = buffer.size();
    content.data = buffer.read(address->offset, address->limit);
    next = address->offset + content.data.size();
    if (next < size) {
      // Where text goes on, a character is not cut in two.
      const std::size_t split = utf8::incomplete_suffix(content.data);
      if (split < content.data.size() && next != buffer.head_size()) {
        content.data.resize(content.data.size() - split);
        next -= split;
      }
    }
    if (buffer.lost() > 0) {
      content.meta["lostFrom"] = buffer.head_size();
      content.meta["lostTo"] = buffer.tail_start();
      if (next >= buffer.head_size() && next < buffer.tail_start()) next = buffer.tail_start();
    }
    if (!utf8::is_valid(content.data)) {
      content.is_base64 = true;
      content.mime_type = "application/octet-stream";
      content.data = base64_encoded(content.data);
    }
  }
  content.meta["offset"] = address->offset;
  content.meta["size"] = size;
  if (next < size) {
    content.meta["nextUri"] = fmt::format(
        "{}?offset={}&limit={}", output_uri(session->name(), address->cell, address->stream), next,
        address->limit);
  }
  std::vector<mcp::ResourceContent> contents;
  contents.push_back(std::move(content));
  return contents;
}

bool OutputResources::subscribable(std::string_view uri) {
  const auto address = parse_output_uri(uri);
  return address && registry_.find(address->session) != nullptr;
}

}  // namespace pyember::host

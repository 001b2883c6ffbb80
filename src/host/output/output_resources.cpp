#include "host/output/output_resources.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "base/utf8.h"
#include "host/output/excerpt.h"

namespace pyember::host {

namespace {

constexpr std::string_view kScheme = "session-output://";

bool parse_number(std::string_view text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    if (i + 2 >= text.size()) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
    if (error != std::errc() || end != text.data() + i + 3) return std::nullopt;
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t at = text.find(separator);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

bool parse_query(std::string_view query, OutputAddress& address) {
  while (!query.empty()) {
    std::string_view pair = take_until(query, '&');
    const std::string_view key = take_until(pair, '=');
    std::uint64_t number = 0;
    if (!parse_number(pair, number)) return false;
    if (key == "offset") {
      address.offset = number;
    } else if (key == "limit") {
      address.limit = static_cast<std::size_t>(std::min<std::uint64_t>(number, address.limit));
    } else {
      return false;
    }
  }
  return address.limit > 0;
}

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      const bool used = i + k <= bytes.size();
      out += used ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

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
  address.limit = limits::kOutputPageBytes;
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
  if (!parse_query(uri, address)) return std::nullopt;
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
      content.data = base64(content.data);
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

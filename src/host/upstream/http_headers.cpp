#include "host/upstream/http_headers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/base64.h"

namespace pyember::host {

namespace {

constexpr std::string_view kEncodedBegin = "=?base64?";
constexpr std::string_view kEncodedEnd = "?=";
constexpr const char* kVersionHeader = "MCP-Protocol-Version";
constexpr const char* kSessionHeader = "Mcp-Session-Id";

std::string lower(std::string_view text) {
  std::string copy(text);
  std::transform(copy.begin(), copy.end(), copy.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return copy;
}

bool protocols_own(const std::string& name) {
  constexpr std::array<std::string_view, 8> kOwn = {
      "accept", "connection", "content-length",    "content-type",
      "expect", "host",       "transfer-encoding", "last-event-id"};
  return std::find(kOwn.begin(), kOwn.end(), name) != kOwn.end() || name.starts_with("mcp-");
}

void add_configured(HttpHeaders& headers, const std::map<std::string, std::string>& configured,
                    const std::string& token) {
  for (const auto& [name, value] : configured) {
    const std::string key = lower(name);
    if (protocols_own(key) || (!token.empty() && key == "authorization")) continue;
    headers.emplace_back(name, value);
  }
  if (!token.empty()) headers.emplace_back("Authorization", "Bearer " + token);
}

void add_present(HttpHeaders& headers, const char* name, const std::string& value) {
  if (!value.empty()) headers.emplace_back(name, value);
}

}  // namespace

std::string encoded_header_value(std::string_view value) {
  const bool plain = std::all_of(value.begin(), value.end(), [](unsigned char letter) {
    return letter >= ' ' && letter < 0x7f;
  });
  const bool blank_ends = value.starts_with(' ') || value.ends_with(' ');
  const bool looks_encoded = value.starts_with(kEncodedBegin) && value.ends_with(kEncodedEnd);
  if (plain && !blank_ends && !looks_encoded) return std::string(value);
  return std::string(kEncodedBegin) + base64_encoded(value) + std::string(kEncodedEnd);
}

std::optional<std::string> mistake_in_headers(
    const std::map<std::string, std::string>& configured) {
  for (const auto& [name, value] : configured) {
    if (!valid_http_header(name, "")) return "one of them has a name that is no header's name";
    if (!valid_http_header(name, value)) {
      return fmt::format("the value of {} has a line break or another control character in it",
                         name);
    }
  }
  return std::nullopt;
}

HttpHeaders headers_of(const mcp::OutgoingMessage& message,
                       const std::map<std::string, std::string>& configured,
                       const std::string& session_id, const std::string& token) {
  HttpHeaders headers = {{"Content-Type", "application/json"},
                         {"Accept", "application/json, text/event-stream"}};
  add_configured(headers, configured, token);
  add_present(headers, kVersionHeader, message.protocol_version);
  if (!message.modern) {
    add_present(headers, kSessionHeader, session_id);
    return headers;
  }
  add_present(headers, "Mcp-Method", encoded_header_value(message.method));
  add_present(headers, "Mcp-Name", encoded_header_value(message.name));
  for (const auto& [name, value] : message.parameter_headers) {
    if (!valid_http_header(name, "")) continue;
    headers.emplace_back("Mcp-Param-" + name, encoded_header_value(value));
  }
  return headers;
}

HttpHeaders headers_of_listening(const std::map<std::string, std::string>& configured,
                                 const std::string& protocol_version, const std::string& session_id,
                                 const std::string& token, const std::string& last_event_id) {
  HttpHeaders headers = headers_of_session(configured, protocol_version, session_id, token);
  headers.emplace_back("Accept", "text/event-stream");
  if (valid_http_header("Last-Event-ID", last_event_id)) {
    add_present(headers, "Last-Event-ID", last_event_id);
  }
  return headers;
}

HttpHeaders headers_of_session(const std::map<std::string, std::string>& configured,
                               const std::string& protocol_version, const std::string& session_id,
                               const std::string& token) {
  HttpHeaders headers;
  add_configured(headers, configured, token);
  add_present(headers, kVersionHeader, protocol_version);
  add_present(headers, kSessionHeader, session_id);
  return headers;
}

bool has_authorization(const std::map<std::string, std::string>& configured) {
  return std::any_of(configured.begin(), configured.end(),
                     [](const auto& header) { return lower(header.first) == "authorization"; });
}

}  // namespace pyember::host

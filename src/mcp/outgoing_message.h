#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pyember::mcp {

// One JSON-RPC message of a Client's, with what a transport needs to know of it without reading it
// again (HTTP says these things in headers: PROTOCOL, HTTP-8 to HTTP-12).
struct OutgoingMessage {
  std::string text;                // no newline in it
  std::string method;              // empty: an answer to the server's own request
  std::optional<std::int64_t> id;  // of a request, which is answered
  std::string name;                // params.name or params.uri: the Mcp-Name header; empty: none
  std::string protocol_version;    // empty: not known yet
  bool modern = false;             // sent by the rules of the stateless era
  // Parameters that the tool's schema wants in headers: what stands behind "Mcp-Param-", and the
  // value, not encoded yet. Only where the client was told that it speaks over HTTP.
  std::vector<std::pair<std::string, std::string>> parameter_headers;
};

}  // namespace pyember::mcp

#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "host/upstream/http_client.h"
#include "mcp/outgoing_message.h"

namespace pyember::host {

// A value as a header may hold it: as it is, or as "=?base64?…?=" where it has characters that are
// not plain ASCII, blanks at its ends, or looks encoded itself.
std::string encoded_header_value(std::string_view value);

// Why these can't be sent, naming no value; nullopt: they can.
std::optional<std::string> mistake_in_headers(const std::map<std::string, std::string>& configured);

// What a message says in headers. Those that were configured come along, but not where they would
// contradict the protocol's own. A token takes the place of a configured Authorization.
HttpHeaders headers_of(const mcp::OutgoingMessage& message,
                       const std::map<std::string, std::string>& configured,
                       const std::string& session_id, const std::string& token);

// The same for a GET that wants a stream of events.
HttpHeaders headers_of_listening(const std::map<std::string, std::string>& configured,
                                 const std::string& protocol_version, const std::string& session_id,
                                 const std::string& token, const std::string& last_event_id);

// For a DELETE, which ends a session.
HttpHeaders headers_of_session(const std::map<std::string, std::string>& configured,
                               const std::string& protocol_version, const std::string& session_id,
                               const std::string& token);

bool has_authorization(const std::map<std::string, std::string>& configured);

}  // namespace pyember::host

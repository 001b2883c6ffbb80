#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mcp/errors.h"
#include "mcp/json.h"
#include "mcp/parameter_headers.h"

// What the headers of an HTTP request repeat of the message in its body, so that who stands between
// can act on it unread, and whether both say the same (PROTOCOL: ERA-4, HTTP-8 to HTTP-12). Each
// check answers what is wrong (-32020), or nothing. Nothing of a header is shown in a message but
// in quotes and cut short.
namespace pyember::mcp {

// As they stand in the request, without the spaces around them. Valid during the call they are
// handed to. A header that came twice is given as HTTP joins it (with ", "): it matches nothing.
struct RequestHeaders {
  std::optional<std::string_view> protocol_version;  // MCP-Protocol-Version; nullopt: not there
  std::optional<std::string_view> method;            // Mcp-Method
  std::optional<std::string_view> name;              // Mcp-Name
  // Mcp-Param-<name>, whatever the case of its letters. Empty: there are none.
  std::function<std::optional<std::string_view>(std::string_view name)> parameter;
};

// In the order in which they are made (ERA-4); what lies between them is the era's affair.
std::optional<RpcError> check_version_there(const RequestHeaders& headers);
std::optional<RpcError> check_version(const RequestHeaders& headers, std::string_view in_body);
std::optional<RpcError> check_method(const RequestHeaders& headers, std::string_view method);
// Mcp-Name, of the methods that have one; params whose own member is missing or no string are
// nobody's fault here.
std::optional<RpcError> check_name(const RequestHeaders& headers, std::string_view method,
                                   const Json& params);
// `expected`: those of the tool's schema. Others are nobody's affair.
std::optional<RpcError> check_parameters(const RequestHeaders& headers,
                                         const std::vector<ParameterHeader>& expected,
                                         const Json& arguments);

// What a header's value stands for: itself, or what "=?base64?…?=" holds. nullopt: that holds no
// base64, or no UTF-8 (HTTP-10).
std::optional<std::string> decoded_header(std::string_view value);

}  // namespace pyember::mcp

#include "mcp/request_headers.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <utility>

#include "base/base64.h"
#include "base/utf8.h"

namespace pyember::mcp {
namespace {

constexpr double kExactDoubles = 9007199254740992.0;  // 2^53: below it each integer is one

// Which member of a method's params the Mcp-Name header repeats.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kNamedMethods = {
    {{"tools/call", "name"},
     {"resources/read", "uri"},
     {"prompts/get", "name"},
     {"tasks/get", "taskId"},
     {"tasks/update", "taskId"},
     {"tasks/cancel", "taskId"}}};

RpcError missing(std::string_view header, std::string_view what) {
  return header_mismatch(
      fmt::format("Header mismatch: the header {} is missing. Send it with {}, as the body has it.",
                  header, what));
}

RpcError different(std::string_view header, std::string_view value, std::string_view in_body) {
  return header_mismatch(
      fmt::format("Header mismatch: the header {} says {}, and the body {}. Send the same in both.",
                  header, in_quotes(value), in_quotes(in_body)));
}

RpcError undecodable(std::string_view header) {
  return header_mismatch(fmt::format(
      "Header mismatch: the header {} can't be read: what stands between =?base64? and ?= is not "
      "UTF-8 in base64 with its padding. Encode the value anew.",
      header));
}

std::optional<RpcError> check_text(std::string_view header, std::string_view value,
                                   std::string_view in_body) {
  const std::optional<std::string> decoded = decoded_header(value);
  if (!decoded) return undecodable(header);
  if (*decoded != in_body) return different(header, *decoded, in_body);
  return std::nullopt;
}

bool is_repeated(const Json& value) {
  return value.is_string() || value.is_boolean() || value.is_number();
}

bool same_number(std::string_view text, const Json& value) {
  const Result<Json> parsed = parse_json(text);
  if (!parsed.ok() || !parsed.value().is_number()) return false;
  const Json& said = parsed.value();
  if (said.is_number_integer() && value.is_number_integer()) {
    return to_json_text(said) == to_json_text(value);
  }
  const auto number = said.get<double>();
  return number == value.get<double>() && std::abs(number) < kExactDoubles;
}

bool same_value(std::string_view text, const Json& value) {
  if (value.is_string()) return text == value.get_ref<const std::string&>();
  if (value.is_boolean()) return text == (value.get<bool>() ? "true" : "false");
  return same_number(text, value);
}

std::optional<RpcError> check_parameter(const std::string& header,
                                        std::optional<std::string_view> said, const Json* value) {
  const bool expected = value != nullptr && is_repeated(*value);
  if (!said) {
    if (!expected) return std::nullopt;
    return missing(header, "the value of the argument it repeats");
  }
  if (!expected) {
    return header_mismatch(fmt::format(
        "Header mismatch: the header {} says {}, and the body has no such argument. Leave the "
        "header out, or send the argument.",
        header, in_quotes(*said)));
  }
  const std::optional<std::string> decoded = decoded_header(*said);
  if (!decoded) return undecodable(header);
  if (same_value(*decoded, *value)) return std::nullopt;
  return different(
      header, *decoded,
      value->is_string() ? value->get_ref<const std::string&>() : to_json_text(*value));
}

}  // namespace

std::optional<RpcError> check_version_there(const RequestHeaders& headers) {
  if (headers.protocol_version) return std::nullopt;
  return missing("MCP-Protocol-Version", "the protocol version of the request's _meta");
}

std::optional<RpcError> check_version(const RequestHeaders& headers, std::string_view in_body) {
  const std::string_view said = headers.protocol_version.value_or("");
  if (said == in_body) return std::nullopt;
  return different("MCP-Protocol-Version", said, in_body);
}

std::optional<RpcError> check_method(const RequestHeaders& headers, std::string_view method) {
  if (!headers.method) return missing("Mcp-Method", "the request's method");
  return check_text("Mcp-Method", *headers.method, method);
}

std::optional<RpcError> check_name(const RequestHeaders& headers, std::string_view method,
                                   const Json& params) {
  for (const auto& [named, member] : kNamedMethods) {
    if (named != method) continue;
    if (!headers.name) return missing("Mcp-Name", fmt::format("params.{}", member));
    const auto value = params.find(member);
    if (value == params.end() || !value->is_string()) return std::nullopt;
    return check_text("Mcp-Name", *headers.name, value->get_ref<const std::string&>());
  }
  return std::nullopt;
}

std::optional<RpcError> check_parameters(const RequestHeaders& headers,
                                         const std::vector<ParameterHeader>& expected,
                                         const Json& arguments) {
  for (const ParameterHeader& each : expected) {
    const std::optional<std::string_view> said =
        headers.parameter ? headers.parameter(each.name) : std::nullopt;
    auto error = check_parameter("Mcp-Param-" + each.name, said, parameter_value(each, arguments));
    if (error) return error;
  }
  return std::nullopt;
}

std::optional<std::string> decoded_header(std::string_view value) {
  constexpr std::string_view kOpening = "=?base64?";
  constexpr std::string_view kClosing = "?=";
  const bool wrapped = value.size() >= kOpening.size() + kClosing.size() &&
                       value.starts_with(kOpening) && value.ends_with(kClosing);
  if (!wrapped) return std::string(value);
  value.remove_prefix(kOpening.size());
  value.remove_suffix(kClosing.size());
  std::optional<std::string> decoded = base64_decoded(value);
  if (!decoded || !utf8::is_valid(*decoded)) return std::nullopt;
  return decoded;
}

}  // namespace pyember::mcp

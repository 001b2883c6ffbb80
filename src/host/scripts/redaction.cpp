#include "host/scripts/redaction.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>

namespace pyember::host {

using mcp::Json;

namespace {

constexpr const char* kHidden = "***";

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](unsigned char c) {
    return c == '-' ? '_' : static_cast<char>(std::tolower(c));
  });
  return result;
}

bool names_a_secret(std::string_view name) {
  constexpr std::array<std::string_view, 10> kWords = {
      "token",      "secret",      "passw",      "api_key", "apikey",
      "credential", "private_key", "access_key", "auth",    "pwd"};
  const std::string name_lower = lower(name);
  return std::any_of(kWords.begin(), kWords.end(), [&](std::string_view word) {
    return name_lower.find(word) != std::string::npos;
  });
}

// As well-known services mark theirs.
bool looks_like_a_secret(std::string_view value) {
  constexpr std::array<std::string_view, 10> kMarks = {
      "sk-", "ghp_", "gho_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "AKIA", "pypi-", "eyJ"};
  constexpr std::size_t kShortest = 12;
  return value.size() >= kShortest &&
         std::any_of(kMarks.begin(), kMarks.end(),
                     [value](std::string_view mark) { return value.starts_with(mark); });
}

// https://user:password@host → https://***@host
std::string without_credentials_in_url(const std::string& text) {
  const std::size_t scheme = text.find("://");
  if (scheme == std::string::npos) return text;
  const std::size_t begin = scheme + 3;
  const std::size_t end = std::min(text.find_first_of("/?# ", begin), text.size());
  const std::size_t at = text.substr(0, end).rfind('@');
  if (at == std::string::npos || at < begin) return text;
  return text.substr(0, begin) + kHidden + text.substr(at);
}

bool is_header_option(std::string_view argument) {
  return argument == "-H" || lower(argument) == "__header";
}

// A header of HTTP without its value: "Authorization: ***".
std::string redacted_header(std::string_view header) {
  const std::size_t colon = header.find(':');
  return colon == std::string_view::npos ? kHidden
                                         : std::string(header.substr(0, colon)) + ": " + kHidden;
}

std::string redacted_argument(const std::string& argument) {
  if (looks_like_a_secret(argument)) return kHidden;
  const std::size_t equals = argument.find('=');
  const std::size_t header = argument.find(": ");
  if (header < equals && names_a_secret(argument.substr(0, header))) {
    return redacted_header(argument);
  }
  if (equals != std::string::npos && is_header_option(argument.substr(0, equals))) {
    return argument.substr(0, equals + 1) + redacted_header(argument.substr(equals + 1));
  }
  if (equals != std::string::npos) {
    const std::string_view name = std::string_view(argument).substr(0, equals);
    const std::string_view value = std::string_view(argument).substr(equals + 1);
    if (names_a_secret(name) || looks_like_a_secret(value)) {
      return std::string(name) + "=" + kHidden;
    }
  }
  return without_credentials_in_url(argument);
}

void redact_list(Json& list) {
  bool hide_next = false;  // after `--token` without '='
  bool next_is_header = false;
  for (Json& each : list) {
    if (!each.is_string()) continue;
    const std::string argument = each.get<std::string>();
    each = hide_next        ? kHidden
           : next_is_header ? redacted_header(argument)
                            : redacted_argument(argument);
    next_is_header = !hide_next && !next_is_header && is_header_option(argument);
    hide_next = !hide_next && argument.starts_with("-") &&
                argument.find('=') == std::string::npos && names_a_secret(argument);
  }
}

}  // namespace

Json redacted(Json parameters) {
  if (!parameters.is_object()) return parameters;
  for (auto& [name, value] : parameters.items()) {
    if (name == "env_vars" && value.is_object()) {
      for (auto& variable : value.items()) variable.value() = kHidden;
    } else if (value.is_array()) {
      redact_list(value);
    } else if (value.is_string()) {
      value = without_credentials_in_url(value.get<std::string>());
    }
  }
  return parameters;
}

}  // namespace pyember::host

#include "host/http/gate/allowed_names.h"

#include <algorithm>
#include <cctype>

#include "base/check.h"
#include "base/limits.h"

namespace pyember::host {

namespace {

std::string lower(std::string_view text) {
  std::string made(text);
  std::transform(made.begin(), made.end(), made.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return made;
}

bool all_of(std::string_view text, bool (*fits)(unsigned char)) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [fits](char each) {
    return fits(static_cast<unsigned char>(each));
  });
}

bool is_digit(unsigned char each) { return each >= '0' && each <= '9'; }

bool is_in_name(unsigned char each) {
  return is_digit(each) || (each >= 'a' && each <= 'z') || each == '-' || each == '.' ||
         each == '_';
}

bool is_in_ipv6(unsigned char each) {
  return is_digit(each) || (each >= 'a' && each <= 'f') || each == ':' || each == '.';
}

bool is_in_scheme(unsigned char each) {
  return is_digit(each) || (each >= 'a' && each <= 'z') || each == '+' || each == '-' ||
         each == '.';
}

// Where the port's colon is, or the end.
std::size_t end_of_name(std::string_view text) {
  const std::size_t bracket = text.starts_with('[') ? text.find(']') : 0;
  if (bracket == std::string_view::npos) return text.size();
  return std::min(text.find(':', bracket), text.size());
}

bool is_name(std::string_view name) {
  if (!name.starts_with('[')) return all_of(name, is_in_name);
  return name.size() > 2 && name.ends_with(']') &&
         all_of(name.substr(1, name.size() - 2), is_in_ipv6);
}

struct Origin {
  std::string scheme;
  HostName host;
};

std::optional<Origin> parse_origin(std::string_view text) {
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos || text.size() > limits::kMaximumUriBytes) {
    return std::nullopt;
  }
  Origin origin{lower(text.substr(0, colon)), {}};
  const std::optional<HostName> host = parse_host_name(text.substr(colon + 3));
  if (!host || !all_of(origin.scheme, is_in_scheme)) return std::nullopt;
  origin.host = *host;
  return origin;
}

}  // namespace

std::optional<HostName> parse_host_name(std::string_view text) {
  if (text.size() > limits::kHostNameBytes) return std::nullopt;
  const std::size_t end = end_of_name(text);
  HostName host{lower(text.substr(0, end)), {}};
  if (!is_name(host.name)) return std::nullopt;
  if (end == text.size()) return host;
  const std::string_view port = text.substr(end + 1);
  constexpr std::size_t kPortDigits = 5;
  if (!all_of(port, is_digit) || port.size() > kPortDigits) return std::nullopt;
  host.port = port;
  return host;
}

bool is_loopback_name(std::string_view name) {
  return name == "localhost" || name == "127.0.0.1" || name == "[::1]";
}

AllowedNames::AllowedNames(const std::vector<std::string>& hosts,
                           const std::vector<std::string>& origins) {
  for (const std::string& each : hosts) {
    const std::optional<HostName> host = parse_host_name(each);
    CHECK(host.has_value());
    hosts_.push_back(*host);
  }
  for (const std::string& each : origins) origins_.push_back(lower(each));
}

bool AllowedNames::allows(const HostName& host) const {
  if (is_loopback_name(host.name)) return true;
  return std::any_of(hosts_.begin(), hosts_.end(), [&](const HostName& allowed) {
    return allowed.name == host.name && (allowed.port.empty() || allowed.port == host.port);
  });
}

bool AllowedNames::allows_host(std::string_view text) const {
  const std::optional<HostName> host = parse_host_name(text);
  return host && allows(*host);
}

bool AllowedNames::names_origin(std::string_view text) const {
  return std::find(origins_.begin(), origins_.end(), lower(text)) != origins_.end();
}

bool AllowedNames::allows_origin(std::string_view text) const {
  if (names_origin(text)) return true;
  const std::optional<Origin> origin = parse_origin(text);
  return origin && (origin->scheme == "http" || origin->scheme == "https") && allows(origin->host);
}

bool is_origin(std::string_view text) { return parse_origin(text).has_value(); }

}  // namespace pyember::host

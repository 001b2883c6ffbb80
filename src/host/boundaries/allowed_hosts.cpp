#include "host/boundaries/allowed_hosts.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <string_view>

#include "base/limits.h"

namespace pyember::host {

namespace {

constexpr std::size_t kLongestName = 253;
constexpr std::size_t kLongestLabel = 63;

// What was asked for: a host, and the port behind it if there is one.
struct Place {
  std::string host;
  std::optional<std::string> port;
};

Error bad_host(const std::string& text, const std::string& why) {
  return {ErrorCode::InvalidArgument,
          fmt::format("'{}' can't be allowed as a sandbox's host, because {}. Name hosts like "
                      "example.org, *.example.org or example.org:8443 (without a port: 80 and "
                      "443), or an address like 10.0.0.5:8080.",
                      text, why)};
}

bool is_address(const std::string& host) {
  in6_addr room{};
  return inet_pton(AF_INET, host.c_str(), &room) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &room) == 1;
}

Place split(const std::string& text) {
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string::npos) return {text, std::nullopt};
    const std::string rest = text.substr(end + 1);
    if (rest.empty()) return {text.substr(1, end - 1), std::nullopt};
    return {text.substr(1, end - 1), rest.starts_with(':') ? rest.substr(1) : rest};
  }
  const std::size_t colon = text.find(':');
  const bool one = colon != std::string::npos && text.find(':', colon + 1) == std::string::npos;
  if (!one) return {text, std::nullopt};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

std::optional<std::uint16_t> port_of(const std::string& text) {
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, failed] = std::from_chars(text.data(), end, port);
  if (failed != std::errc{} || stopped != end || port == 0) return std::nullopt;
  return port;
}

bool is_label(std::string_view label) {
  const auto fits = [](char each) {
    return std::isalnum(static_cast<unsigned char>(each)) != 0 || each == '-' || each == '_';
  };
  return !label.empty() && label.size() <= kLongestLabel && label.front() != '-' &&
         label.back() != '-' && std::all_of(label.begin(), label.end(), fits);
}

// "127.1" and "0x7f000001" are no names, but libc reads an address out of them.
bool is_number(std::string_view label) {
  if (label.starts_with("0x")) return true;
  return std::all_of(label.begin(), label.end(),
                     [](char each) { return each >= '0' && each <= '9'; });
}

// Empty when it is a name.
std::string problem_of_name(std::string_view name) {
  if (std::any_of(name.begin(), name.end(), [](char each) { return (each & 0x80) != 0; })) {
    return "it is not written in ASCII, as it is on the wire: xn--…";
  }
  if (name.empty() || name.size() > kLongestName) return "it names no host";
  for (std::string_view rest = name;;) {
    const std::size_t dot = rest.find('.');
    const std::string_view label = rest.substr(0, dot);
    if (!is_label(label)) return "it is neither a name nor an address";
    if (dot == std::string_view::npos) {
      return is_number(label) ? "it is no address, and no name ends with a number" : "";
    }
    rest.remove_prefix(dot + 1);
  }
}

// Empty when it is an address, a name, or a wildcard that means something.
std::string problem_of(const std::string& host) {
  if (is_address(host)) return {};
  if (!host.starts_with("*.")) {
    return host.find('*') == std::string::npos ? problem_of_name(host)
                                               : "a * stands in front, for everything below a name";
  }
  const std::string below = host.substr(2);
  if (below.find('.') == std::string::npos) {
    return "that is everything below a top-level domain; name the domains that are needed";
  }
  return problem_of_name(below);
}

Result<AllowedHost> parse(const std::string& text) {
  if (text.find_first_of("/@?#") != std::string::npos) {
    return bad_host(text, "it is more than a host, with a scheme, a path, a user or a network");
  }
  Place place = split(text);
  std::transform(place.host.begin(), place.host.end(), place.host.begin(), [](char each) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(each)));
  });
  if (place.host.ends_with('.')) place.host.pop_back();
  if (const std::string problem = problem_of(place.host); !problem.empty()) {
    return bad_host(text, problem);
  }
  if (!place.port) return AllowedHost{place.host, {80, 443}};
  const std::optional<std::uint16_t> port = port_of(*place.port);
  if (!port) return bad_host(text, fmt::format("'{}' is no port", *place.port));
  return AllowedHost{place.host, {*port}};
}

}  // namespace

Result<std::vector<AllowedHost>> parse_allowed_hosts(const std::vector<std::string>& texts) {
  if (texts.size() > limits::kMaximumAllowedHosts) {
    return Error{ErrorCode::LimitReached,
                 fmt::format("Sandboxes can't be allowed {} hosts, because {} are the most. Allow "
                             "whole domains: *.example.org.",
                             texts.size(), limits::kMaximumAllowedHosts)};
  }
  std::vector<AllowedHost> hosts;
  for (const std::string& text : texts) {
    Result<AllowedHost> host = parse(text);
    if (!host) return host.error();
    hosts.push_back(host.take());
  }
  return hosts;
}

std::vector<std::string> proxy_environment(const std::vector<AllowedHost>& hosts) {
  if (hosts.empty()) return {};
  const std::string proxy = fmt::format("http://127.0.0.1:{}", kProxyPort);
  std::string own;
  for (const char* name : {"localhost", "127.0.0.1", "::1"}) {
    const bool is_meant_outside = std::any_of(
        hosts.begin(), hosts.end(), [name](const AllowedHost& each) { return each.host == name; });
    if (!is_meant_outside) own += fmt::format("{}{}", own.empty() ? "" : ",", name);
  }
  std::vector<std::string> found;
  for (const char* name :
       {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"}) {
    found.push_back(fmt::format("{}={}", name, proxy));
  }
  for (const char* name : {"NO_PROXY", "no_proxy"})
    found.push_back(fmt::format("{}={}", name, own));
  found.push_back(fmt::format("PYEMBER_PROXY={}:{}", kProxyPort, kProxySocket));
  return found;
}

}  // namespace pyember::host

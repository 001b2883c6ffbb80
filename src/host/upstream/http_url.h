#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pyember::host {

// An address of http or https, taken apart. Needs http_library().
struct HttpUrl {
  std::string scheme;  // "http", "https"
  std::string host;    // lower case; of IPv6 with brackets
  std::string port;    // always there: the scheme's when none is written
  std::string path;    // begins with '/'
  std::string query;   // without '?'; may be empty

  std::string origin() const;  // "https://example.com", with the port where it isn't the scheme's
  // For people, logs and errors: without the query and whoever's name and password it had.
  std::string shown() const { return origin() + path; }
  std::string text() const;  // shown() and the query
  bool same_origin(const HttpUrl& other) const;
  bool loopback() const;  // 127.0.0.0/8, ::1 or localhost
};

// Nullopt: it is none. A fragment is dropped.
std::optional<HttpUrl> parse_http_url(std::string_view text);
// What `reference` means in an answer from `base`: a path, or an address of its own.
std::optional<HttpUrl> resolve_http_url(const HttpUrl& base, std::string_view reference);

}  // namespace pyember::host

#include "host/upstream/http_url.h"

#include <algorithm>
#include <cctype>
#include <memory>

#include "base/limits.h"
#include "host/upstream/http_library.h"

namespace pyember::host {

namespace {

std::string part(const HttpLibrary& curl, CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl.url_get(url, which, &text, flags) != CURLUE_OK) return {};
  std::string copy(text);
  curl.free(text);
  return copy;
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char byte) { return byte <= ' ' || byte == 0x7f; });
}

// With `base`: relative to it.
std::optional<HttpUrl> parse(const std::string& text, const std::string* base) {
  if (!http_library() || text.size() > limits::kMaximumUriBytes || has_control_character(text)) {
    return std::nullopt;
  }
  const HttpLibrary& curl = http_library().value();
  const std::unique_ptr<CURLU, decltype(curl.url_cleanup)> url(curl.url(), curl.url_cleanup);
  if (base != nullptr && curl.url_set(url.get(), CURLUPART_URL, base->c_str(), 0) != CURLUE_OK) {
    return std::nullopt;
  }
  if (curl.url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) return std::nullopt;
  HttpUrl parsed{part(curl, url.get(), CURLUPART_SCHEME), part(curl, url.get(), CURLUPART_HOST),
                 part(curl, url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT),
                 part(curl, url.get(), CURLUPART_PATH), part(curl, url.get(), CURLUPART_QUERY)};
  if (parsed.scheme != "http" && parsed.scheme != "https") return std::nullopt;
  if (parsed.host.empty()) return std::nullopt;
  if (parsed.path.empty()) parsed.path = "/";
  std::transform(parsed.host.begin(), parsed.host.end(), parsed.host.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return parsed;
}

}  // namespace

std::string HttpUrl::origin() const {
  const bool usual = port == (scheme == "https" ? "443" : "80");
  return scheme + "://" + host + (usual ? "" : ":" + port);
}

std::string HttpUrl::text() const { return shown() + (query.empty() ? "" : "?" + query); }

bool HttpUrl::same_origin(const HttpUrl& other) const {
  return scheme == other.scheme && host == other.host && port == other.port;
}

bool HttpUrl::loopback() const {
  const bool digits = std::all_of(host.begin(), host.end(), [](unsigned char letter) {
    return std::isdigit(letter) != 0 || letter == '.';
  });
  return host == "localhost" || host == "[::1]" || (digits && host.starts_with("127."));
}

std::optional<HttpUrl> parse_http_url(std::string_view text) {
  if (text.find("://") == std::string_view::npos) return std::nullopt;  // curl would guess
  return parse(std::string(text), nullptr);
}

std::optional<HttpUrl> resolve_http_url(const HttpUrl& base, std::string_view reference) {
  const std::string from = base.text();
  return parse(std::string(reference), &from);
}

}  // namespace pyember::host

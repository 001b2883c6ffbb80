#include "host/upstream/http_failure.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/limits.h"
#include "base/utf8.h"
#include "host/upstream/http_headers.h"
#include "host/upstream/http_url.h"

namespace pyember::host {

namespace {

std::string place(const UpstreamDefinition& upstream) {
  const std::optional<HttpUrl> url = parse_http_url(upstream.url);
  return fmt::format("'{}' ({})", upstream.name, url ? url->shown() : "no address");
}

void remove(std::string& text, std::string_view secret) {
  if (secret.size() < 4) return;
  for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos;) {
    text.replace(at, secret.size(), "***");
  }
}

// What the other side says about it, on one line; empty: nothing that a person would want to read.
std::string told(const UpstreamDefinition& upstream, const HttpOutcome& outcome,
                 const std::string& token) {
  const std::string type = outcome.head.media_type();
  if (type != "text/plain" && type != "application/json" && !type.ends_with("+json")) return {};
  std::string text = utf8::repaired(outcome.error_body);
  for (const auto& [name, value] : upstream.headers) {
    remove(text, value);
    // "Bearer SECRET"
    if (const std::size_t blank = value.find(' '); blank != std::string::npos) {
      remove(text, std::string_view(value).substr(blank + 1));
    }
  }
  remove(text, token);
  std::replace_if(
      text.begin(), text.end(), [](unsigned char letter) { return letter < ' '; }, ' ');
  const std::string_view shown = utf8::head(text, limits::kHttpErrorShown);
  return std::string(shown) + (shown.size() < text.size() ? "…" : "");
}

std::string advice_for(int status, const HttpHead& head) {
  if (status == 404) return "See whether its url is right (often it ends in /mcp).";
  if (status == 429 || status == 503) {
    const std::string after(head.header("retry-after").substr(0, 40));
    return after.empty() ? "Try again later." : fmt::format("Try again after {} s.", after);
  }
  if (status >= 500) return "Try again; if that stays so, ask whoever runs it.";
  return "See whether its url and headers are right, in the file that configures it.";
}

}  // namespace

Error connection_failure(const UpstreamDefinition& upstream, const Error& failure) {
  if (failure.code == ErrorCode::LimitReached) {
    return {failure.code, fmt::format("The answer of {} was given up. {} Ask it for less at once.",
                                      place(upstream), failure.message)};
  }
  return {failure.code,
          fmt::format("{} could not be reached, or was lost: {}{} See whether it runs and its url "
                      "is right, then call again.",
                      place(upstream), failure.message, failure.message.ends_with('.') ? "" : ".")};
}

Error status_failure(const UpstreamDefinition& upstream, const HttpOutcome& outcome,
                     const std::string& token) {
  const std::string said = told(upstream, outcome, token);
  const int status = outcome.head.status;
  return {status == 404 ? ErrorCode::NotFound : ErrorCode::Unavailable,
          fmt::format("{} refused the request. It answered with HTTP status {}{}{}. {}",
                      place(upstream), status, said.empty() ? "" : ": ", said,
                      advice_for(status, outcome.head))};
}

Error login_wanted(const UpstreamDefinition& upstream, std::string_view why) {
  if (has_authorization(upstream.headers)) {
    return {ErrorCode::Unavailable,
            fmt::format("{} refused the request. It answered with HTTP status 401 to the "
                        "Authorization header that is configured for it. Put a valid one into {}.",
                        place(upstream),
                        upstream.source.empty() ? "its configuration" : upstream.source)};
  }
  return {ErrorCode::Unavailable,
          fmt::format("{} wants a login. {} Have the user run `pyember upstreams login {}` in a "
                      "terminal, then call again.",
                      place(upstream), why, upstream.name)};
}

Error scope_wanted(const UpstreamDefinition& upstream, std::string_view scope) {
  return {ErrorCode::Unavailable,
          fmt::format("{} refused the request. The login allows too little for it: the scope '{}' "
                      "is wanted. Have the user run `pyember upstreams login {}` in a terminal, "
                      "which will ask for that too, then call again.",
                      place(upstream), utf8::repaired(utf8::head(scope, limits::kHttpErrorShown)),
                      upstream.name)};
}

Error redirected(const UpstreamDefinition& upstream, const HttpOutcome& outcome) {
  const std::optional<HttpUrl> from = parse_http_url(upstream.url);
  const std::optional<HttpUrl> to =
      from ? resolve_http_url(*from, outcome.head.header("location")) : std::nullopt;
  return {ErrorCode::Unavailable,
          fmt::format("{} sends elsewhere. It answered with HTTP status {}, to {}, which is not "
                      "followed: what is sent may hold secrets. If that is where it is now, make "
                      "it its url.",
                      place(upstream), outcome.head.status,
                      to ? utf8::repaired(utf8::head(to->shown(), limits::kHttpErrorShown))
                         : "no address")};
}

Error no_answer(const UpstreamDefinition& upstream) {
  return {ErrorCode::Unavailable,
          fmt::format("{} gave no answer. It ended the connection without one, so it is not known "
                      "whether what was asked was done. Find out, then call again.",
                      place(upstream))};
}

}  // namespace pyember::host

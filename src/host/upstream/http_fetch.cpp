#include "host/upstream/http_fetch.h"

#include <fmt/format.h>

#include <utility>

#include "base/limits.h"

namespace pyember::host {

HttpFetch::HttpFetch(HttpClient& client, HttpRequest request, Done done)
    : client_(client), request_(std::move(request)), done_(std::move(done)) {
  request_.timeout = limits::kOAuthTimeout;
  begin();
}

void HttpFetch::begin() {
  fetched_ = {};
  exchange_ = client_.start(request_, *this);
}

void HttpFetch::http_body(std::string_view bytes) {
  if (fetched_.text.size() + bytes.size() > limits::kOAuthBytes) {
    return end(Error{ErrorCode::LimitReached,
                     fmt::format("The answer is larger than {} bytes.", limits::kOAuthBytes)});
  }
  fetched_.text.append(bytes);
}

void HttpFetch::http_ended(const std::optional<Error>& failure) {
  if (failure) return end(*failure);
  if (follow()) return;
  Result<mcp::Json> json = mcp::parse_json(fetched_.text);
  if (json) fetched_.json = json.take();
  end(std::move(fetched_));
}

bool HttpFetch::follow() {
  if (request_.method != "GET" || fetched_.head.status / 100 != 3) return false;
  const std::optional<HttpUrl> from = parse_http_url(request_.url);
  const std::optional<HttpUrl> to =
      from ? resolve_http_url(*from, fetched_.head.header("location")) : std::nullopt;
  if (!to || !to->same_origin(*from) || redirects_++ == limits::kHttpRedirects) return false;
  request_.url = to->text();
  begin();
  return true;
}

void HttpFetch::end(Result<Fetched> result) {
  const Done done = std::exchange(done_, nullptr);
  exchange_.reset();
  done(std::move(result));
}

}  // namespace pyember::host

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "host/upstream/http_client.h"
#include "host/upstream/http_url.h"
#include "mcp/json.h"

namespace pyember::host {

// A small answer, read whole.
struct Fetched {
  HttpHead head;
  std::string text;
  mcp::Json json;  // null: the text is none

  bool success() const { return head.status >= 200 && head.status < 300; }
};

// One request for something small (limits::kOAuthBytes, kOAuthTimeout). A GET is redirected within
// its origin. Destroying it ends it. Loop's thread only.
class HttpFetch final : HttpExchange::Owner {
 public:
  // An answer of whatever status, or why there is none. May destroy the fetch.
  using Done = std::function<void(Result<Fetched>)>;

  HttpFetch(HttpClient& client, HttpRequest request, Done done);

 private:
  void begin();
  void http_head(const HttpHead& head) override { fetched_.head = head; }
  void http_body(std::string_view bytes) override;
  void http_ended(const std::optional<Error>& failure) override;
  bool follow();
  void end(Result<Fetched> result);

  HttpClient& client_;
  HttpRequest request_;
  Done done_;
  Fetched fetched_;
  std::size_t redirects_ = 0;
  std::unique_ptr<HttpExchange> exchange_;
};

}  // namespace pyember::host

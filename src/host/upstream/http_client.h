#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "host/loop/event_loop.h"

namespace pyember::host {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  // As they are sent. Neither names nor values may hold control characters: see valid_http_header.
  HttpHeaders headers;
  std::string body;
  std::chrono::milliseconds timeout{0};  // of the whole exchange; 0: none but the connection's
};

// The first part of an answer.
struct HttpHead {
  int status = 0;
  HttpHeaders headers;  // names in lower case

  // The first of that name (in lower case); empty: there is none.
  std::string_view header(std::string_view name) const;
  // "application/json" of "Application/JSON; charset=utf-8".
  std::string media_type() const;
};

// A request and its answer. Destroying it ends it at once and closes what it used; nothing is told
// any more. Redirects are not followed. Certificates are checked.
class HttpExchange {
 public:
  // May destroy the exchange, its client and anything else in each of these.
  class Owner {
   public:
    virtual void http_head(const HttpHead& head) = 0;
    virtual void http_body(std::string_view bytes) = 0;  // after the head; in pieces
    // Once, and nothing after it. A failure: there is no whole answer, and why, in two sentences
    // without anything secret.
    virtual void http_ended(const std::optional<Error>& failure) = 0;

   protected:
    ~Owner() = default;
  };
  virtual ~HttpExchange() = default;
};

// Whether it may be sent as it is.
bool valid_http_header(std::string_view name, std::string_view value);

// Exchanges over HTTP/1.1 and HTTP/2 on the loop, by libcurl. Connections are kept for what comes
// next. Proxies are those of the environment (https_proxy, no_proxy), authorities those of the
// system or of SSL_CERT_FILE. Loop's thread only; outlives its exchanges.
class HttpClient {
 public:
  // Needs http_library().
  explicit HttpClient(EventLoop& loop);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Nothing is told to `owner`, who outlives the exchange, before the next turn of the loop.
  std::unique_ptr<HttpExchange> start(HttpRequest request, HttpExchange::Owner& owner);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pyember::host

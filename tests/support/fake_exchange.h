#pragma once

#include "mcp/http/exchange.h"
#include "mcp/json.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pyember::test {

// One event of a stream, as a client reads it.
struct SseEvent {
  std::string id;
  std::string retry;
  std::string data;
  mcp::Json json() const { return mcp::Json::parse(data); }
};

// A request that a test makes, and what it is answered.
class FakeExchange final : public mcp::HttpExchange {
 public:
  FakeExchange(std::string method, std::string request_body, mcp::HttpFields head);

  // --- What the endpoint sees ---
  const mcp::HttpRequest& request() const override { return request_; }
  void respond(int status, const mcp::HttpFields& fields, std::string&& body) override;
  void begin_stream(int status, const mcp::HttpFields& fields) override;
  void write(std::string&& piece) override;
  void end() override;
  std::size_t pending_bytes() const override { return 0; }
  void on_gone(std::function<void()> callback) override { gone_ = std::move(callback); }
  bool is_gone() const override { return is_gone_; }

  // --- What the client does and sees ---
  void set_path(std::string path) { request_.path = std::move(path); }  // else /mcp
  void go_away();
  bool begun() const { return status != 0; }
  std::optional<std::string> field(std::string_view name) const;
  mcp::Json json() const { return mcp::Json::parse(body); }
  // The events of the stream; comments are not among them.
  std::vector<SseEvent> events() const;

  int status = 0;  // 0: nothing was sent yet
  mcp::HttpFields fields;
  std::string body;      // all of it, of a stream too
  bool streams = false;  // begin_stream() was called
  bool over = false;     // respond() or end() was called

 private:
  void begin(int status, const mcp::HttpFields& fields);

  mcp::HttpRequest request_;
  mcp::HttpFields sent_;
  std::function<void()> gone_;
  bool is_gone_ = false;
};

}  // namespace pyember::test

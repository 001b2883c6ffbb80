#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pyember::mcp {

// One field of a message's head. Names are compared without regard to case.
struct HttpField {
  std::string name;
  std::string value;
};
using HttpFields = std::vector<HttpField>;

// A request that has arrived whole, within the transport's bounds.
struct HttpRequest {
  std::string method;  // as sent: "POST"
  std::string path;    // as sent, without the query: "/mcp"; nothing is decoded
  std::string query;   // what followed "?", without it
  std::string body;
  std::string peer;  // the address, without a port: "127.0.0.1", "::1"
  bool tls = false;
  // The value of a field, without white space around it; several of one name are joined with ", "
  // in their order. Null when there is none. What it returns is valid until the response begins,
  // and afterwards it finds nothing.
  std::function<std::optional<std::string_view>(std::string_view name)> header;
};

// A request and the way its response goes: one message, or a stream of pieces. On the loop's thread
// only. It belongs to those who answer (shared, for a call may be answered from several places; the
// transport keeps none): when the last lets go of it without an answer, the client gets 500, and a
// stream is cut off without its end.
//
// Exactly one of respond() and begin_stream() is called, once. They never call back; nothing here
// waits. What is sent after the client has gone is dropped.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;

  virtual const HttpRequest& request() const = 0;

  // The whole response. The transport adds Content-Length, Date and Connection; `fields` are the
  // others, Content-Type among them.
  virtual void respond(int status, const HttpFields& fields, std::string&& body) = 0;

  // A response whose body comes by write(), each piece sent at once, until end(). The head goes out
  // at once too.
  virtual void begin_stream(int status, const HttpFields& fields) = 0;
  virtual void write(std::string&& piece) = 0;
  virtual void end() = 0;

  // What was written and the system has not taken yet. A client that lets more pile up than the
  // transport's bound is cut off: then it has gone.
  virtual std::size_t pending_bytes() const = 0;

  // Called when the client has gone before the response was whole: once, and never inside a call of
  // this class. Set it before the handler returns, or learn from is_gone() what was missed.
  virtual void on_gone(std::function<void()> callback) = 0;
  virtual bool is_gone() const = 0;
};

}  // namespace pyember::mcp

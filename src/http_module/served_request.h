#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "http_module/body_stream.h"
#include "http_module/request_head.h"
#include "http_module/response.h"
#include "mcp/http/exchange.h"

namespace pyember::http_module {

class Connection;
class ServedExchange;

// What a request needs of the server around it.
class RequestHost {
 public:
  virtual ~RequestHost() = default;
  virtual void handle(std::shared_ptr<mcp::HttpExchange> exchange) = 0;
  virtual void run_soon() = 0;            // something is to be sent
  virtual void responds(int status) = 0;  // a response begins
  virtual void stream_begins() = 0;       // a response goes on
  virtual void stream_is_over() = 0;
  virtual bool closes_connections() const = 0;  // each after its next response
  virtual bool is_tls() const = 0;
  virtual bool is_over() const = 0;  // nothing is handed on any more
  virtual std::size_t body_bytes() const = 0;
  virtual std::size_t head_bytes() const = 0;
  virtual std::size_t pending_bytes() const = 0;
  // Memory for bodies, which all requests share; false: there is none left.
  virtual bool take_memory(std::size_t bytes) = 0;
  virtual void give_memory_back(std::size_t bytes) = 0;
};

// One request, from its first line until its response is sent or its client has gone. Owned by
// libmicrohttpd's request (its "connection context"): made when the line is there, deleted by the
// notice that the request is over. What it is asked by its exchange never calls libmicrohttpd's
// loop: it leaves the answer, resumes the connection and has the loop run soon.
class ServedRequest {
 public:
  enum class Phase { Head, Body, Waiting, Responding };

  ServedRequest(RequestHost& host, Connection& connection, std::string_view target);
  ~ServedRequest();
  ServedRequest(const ServedRequest&) = delete;
  ServedRequest& operator=(const ServedRequest&) = delete;

  // libmicrohttpd's upcalls: the head is there, then parts of the body, then (none left) the end;
  // again at the end, when the connection was suspended there and goes on.
  MHD_Result advance(const char* method, const char* version, const char* part, std::size_t* size);
  void finish(bool whole);  // just before it is deleted; `whole`: the response was sent

  // The client has gone, or is cut off: nothing is answered any more.
  void give_up();

  Phase phase() const { return phase_; }
  // Responding, and nothing waits to be sent.
  bool is_idle() const { return stream_ && stream_->is_idle(); }
  std::size_t body_size() const { return body_.size(); }

 private:
  friend class ServedExchange;

  MHD_Result begin(const char* method, const char* version);
  MHD_Result take(const char* part, std::size_t* size);
  MHD_Result refuse_body();
  MHD_Result hand_over();
  MHD_Result go_on();
  MHD_Result queue(int status, ResponsePtr response);

  void answer(int status, ResponsePtr response);  // by the exchange
  void abandoned();                               // the exchange is gone
  void resume();

  RequestHost& host_;
  Connection& connection_;
  Phase phase_ = Phase::Head;
  RequestTarget target_;
  std::string method_;
  std::string body_;
  RequestHead head_;
  std::size_t memory_ = 0;     // taken for the body
  int body_refused_ = 0;       // the status; 0: it is not
  std::size_t swallowed_ = 0;  // of a refused body
  bool given_up_ = false;
  bool suspended_ = false;  // while waiting for the answer
  int status_ = 0;
  ResponsePtr answer_;
  std::shared_ptr<BodyStream> stream_;
  ServedExchange* exchange_ = nullptr;  // who answers; null: nobody (yet, or any more)
};

// What the handler gets. Outlives its request when the client goes first.
class ServedExchange final : public mcp::HttpExchange {
 public:
  ServedExchange(ServedRequest& served, mcp::HttpRequest request);
  ~ServedExchange() override;

  const mcp::HttpRequest& request() const override { return request_; }
  void respond(int status, const mcp::HttpFields& fields, std::string&& body) override;
  void begin_stream(int status, const mcp::HttpFields& fields) override;
  void write(std::string&& piece) override;
  void end() override;
  std::size_t pending_bytes() const override;
  void on_gone(std::function<void()> callback) override { gone_callback_ = std::move(callback); }
  bool is_gone() const override { return gone_; }

  // By the request, at its end. `gone`: before the response was whole.
  void leave(bool gone);

 private:
  ServedRequest* served_;  // null: its request is over
  mcp::HttpRequest request_;
  std::function<void()> gone_callback_;
  bool answered_ = false;
  bool ended_ = false;
  bool gone_ = false;
};

}  // namespace pyember::http_module

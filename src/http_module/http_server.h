#pragma once

#include <microhttpd.h>

#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "host/http/http_transport.h"
#include "host/loop/uv_handle.h"
#include "http_module/connection.h"
#include "http_module/served_request.h"

namespace pyember::http_module {

// libmicrohttpd on the loop. It has one descriptor of its own (an epoll set with all connections),
// which the loop watches; MHD_run then does what there is to do. Connections whose answer is
// awaited are suspended: it does not look at them, and they cost no time. Whether their client is
// still there is seen by a set of our own, in which every connection is for the end of its peer's
// sending (EPOLLRDHUP) alone.
//
// We accept ourselves, so that there may be several sockets and bounds for each peer.
class HttpServer final : public host::HttpTransport, private RequestHost {
 public:
  static Result<std::unique_ptr<host::HttpTransport>> make(host::EventLoop& loop,
                                                           host::HttpListen listen,
                                                           Handler handler);
  ~HttpServer() override;

  void stop_listening() override;
  void close_idle() override;
  std::size_t connections() const override { return connections_.size(); }
  std::size_t open_exchanges() const override { return exchanges_; }
  std::size_t open_streams() const override { return streams_; }
  const Responses& responses() const override { return responses_; }

 private:
  HttpServer(host::EventLoop& loop, host::HttpListen listen, Handler handler);
  Result<void> start();

  // RequestHost
  void handle(std::shared_ptr<mcp::HttpExchange> exchange) override {
    handler_(std::move(exchange));
  }
  void run_soon() override;
  void responds(int status) override { ++responses_[status]; }
  void stream_begins() override { ++streams_; }
  void stream_is_over() override { --streams_; }
  bool closes_connections() const override { return closing_; }
  bool is_over() const override { return over_; }
  bool is_tls() const override { return bounds_.tls.has_value(); }
  std::size_t body_bytes() const override { return bounds_.body_bytes; }
  std::size_t head_bytes() const override { return bounds_.head_bytes; }
  std::size_t pending_bytes() const override { return bounds_.pending_bytes; }
  bool take_memory(std::size_t bytes) override;
  void give_memory_back(std::size_t bytes) override { body_memory_ -= bytes; }

  void listen_to_sockets(bool listening);
  void accept_some(int socket);
  bool may_connect(const std::string& peer) const;
  void run();
  void look_after_peers();
  void look_after_times();

  // libmicrohttpd's upcalls
  static MHD_Result advance(void* server, MHD_Connection* raw, const char* url, const char* method,
                            const char* version, const char* part, std::size_t* size,
                            void** request);
  static void* begin_request(void* server, const char* target, MHD_Connection* raw);
  static void end_request(void* server, MHD_Connection* raw, void** request,
                          MHD_RequestTerminationCode how);
  static void note_connection(void* server, MHD_Connection* raw, void** connection,
                              MHD_ConnectionNotificationCode what);
  void opened(MHD_Connection& raw, void** connection);
  void closed(Connection& connection);

  host::EventLoop& loop_;
  host::HttpListen bounds_;
  const Handler handler_;
  MHD_Daemon* daemon_ = nullptr;
  UniqueFd peers_;  // the epoll set for peers' ends

  std::list<Connection> connections_;
  std::map<std::string, std::size_t> connections_of_;  // by peer
  std::size_t exchanges_ = 0;
  std::size_t streams_ = 0;
  Responses responses_;
  bool listening_ = false;
  bool stopped_ = false;         // stop_listening()
  std::size_t body_memory_ = 0;  // of all requests
  bool closing_ = false;         // close_idle()
  bool over_ = false;            // being destroyed
  bool running_ = false;         // inside MHD_run

  std::vector<std::unique_ptr<host::Poll>> sockets_;
  std::unique_ptr<host::Poll> daemon_poll_;
  std::unique_ptr<host::Poll> peers_poll_;
  host::EveryTurn soon_;
  host::Timer times_;
};

}  // namespace pyember::http_module

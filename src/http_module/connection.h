#pragma once

#include <microhttpd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>

#include "host/http/http_transport.h"

namespace pyember::http_module {

class ServedRequest;

// One connection of a client, as long as libmicrohttpd has it. Knows whether its peer is still
// there while libmicrohttpd does not look (suspended), and since when nothing has moved.
class Connection {
 public:
  using Clock = std::chrono::steady_clock;

  Connection(MHD_Connection& raw, int socket, std::string peer)
      : raw_(raw), socket_(socket), peer_(std::move(peer)), since_(Clock::now()) {}

  // Where the server keeps it.
  std::list<Connection>::iterator place;

  MHD_Connection& raw() const { return raw_; }
  int socket() const { return socket_; }
  const std::string& peer() const { return peer_; }
  std::size_t head_size() const;

  void began(ServedRequest& request);
  void ended();
  ServedRequest* request() const { return request_; }  // null: between two

  // Now bytes begin to wait for the client.
  void progressed();
  // Whether one of the bounds on time is broken.
  bool is_overdue(const host::HttpListen& bounds, Clock::time_point now);

  void peer_left();  // it has closed, or only said that it sends no more: nobody can tell
  bool peer_has_left() const { return peer_left_; }
  // Its peer has left, all that it sent was read, and it makes no whole request. Looked at a while
  // after peer_left().
  bool is_abandoned() const;
  void cut();  // closes it, whatever it is in

 private:
  std::uint64_t acknowledged_bytes() const;

  MHD_Connection& raw_;
  const int socket_;
  const std::string peer_;
  ServedRequest* request_ = nullptr;
  Clock::time_point since_;  // of the connection, the request, or the last byte taken
  std::uint64_t acknowledged_ = 0;
  bool peer_left_ = false;
  bool was_used_ = false;
};

}  // namespace pyember::http_module

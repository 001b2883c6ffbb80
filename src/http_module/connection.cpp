#include "http_module/connection.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "http_module/served_request.h"

namespace pyember::http_module {

namespace {

// A body may take longer than the head, at a rate that every client reaches.
constexpr std::size_t kSlowestBytesPerSecond = 32u << 10;

}  // namespace

std::size_t Connection::head_size() const {
  const MHD_ConnectionInfo* const info =
      MHD_get_connection_info(&raw_, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  return info == nullptr ? 0 : info->header_size;
}

void Connection::began(ServedRequest& request) {
  request_ = &request;
  since_ = Clock::now();
}

void Connection::ended() {
  request_ = nullptr;
  since_ = Clock::now();
  was_used_ = true;
}

void Connection::progressed() {
  since_ = Clock::now();
  acknowledged_ = acknowledged_bytes();
}

bool Connection::is_overdue(const host::HttpListen& bounds, Clock::time_point now) {
  const auto passed = now - since_;
  if (request_ == nullptr) return passed > (was_used_ ? bounds.idle_time : bounds.request_time);
  switch (request_->phase()) {
    case ServedRequest::Phase::Head:
    case ServedRequest::Phase::Body:
      return passed > bounds.request_time +
                          std::chrono::seconds(request_->body_size() / kSlowestBytesPerSecond);
    case ServedRequest::Phase::Waiting:
      return false;
    case ServedRequest::Phase::Responding:
      break;
  }
  if (request_->is_idle()) return false;
  if (acknowledged_bytes() != acknowledged_) {
    progressed();
    return false;
  }
  return passed > bounds.write_time;
}

void Connection::peer_left() {
  peer_left_ = true;
  if (request_ == nullptr) return;
  if (request_->phase() == ServedRequest::Phase::Waiting || request_->is_idle()) {
    request_->give_up();
  }
}

// libmicrohttpd does not see that a peer has left when it had read all bytes but the end, which
// came together with them: the system tells of both once.
bool Connection::is_abandoned() const {
  if (!peer_left_) return false;
  if (request_ != nullptr && request_->phase() > ServedRequest::Phase::Body) return false;
  int unread = 0;
  return ioctl(socket_, FIONREAD, &unread) == 0 && unread == 0;
}

// libmicrohttpd sees the end of the connection; what is suspended does not, and is told.
void Connection::cut() { shutdown(socket_, SHUT_RDWR); }

std::uint64_t Connection::acknowledged_bytes() const {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(socket_, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return info.tcpi_bytes_acked;
}

}  // namespace pyember::http_module

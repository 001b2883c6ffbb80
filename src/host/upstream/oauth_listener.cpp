#include "host/upstream/oauth_listener.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include "base/limits.h"

namespace pyember::host {

namespace {

constexpr std::string_view kPath = "/callback";

std::string page(std::string_view status, std::string_view text) {
  const std::string body = fmt::format(
      "<!doctype html><meta charset=utf-8><title>pyember</title>"
      "<body style=\"font:18px sans-serif;margin:4em\"><p>{}</p>",
      text);
  return fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: text/html; charset=utf-8\r\n"
      "Content-Length: {}\r\nCache-Control: no-store\r\n"
      "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
      "Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{}",
      status, body.size(), body);
}

}  // namespace

// One connection: a request's head is read, answered and that is it.
class OAuthListener::Visit {
 public:
  Visit(OAuthListener& listener) : listener_(listener), socket_(listener.loop_) {
    CHECK(uv_tcp_init(listener.loop_.raw(), socket_.get()) == 0);
    socket_.opened(this);
  }

  bool take() {
    auto* const server = reinterpret_cast<uv_stream_t*>(listener_.socket_.get());
    return uv_accept(server, stream()) == 0 && uv_read_start(stream(), give_room, heard) == 0;
  }

 private:
  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(socket_.get()); }

  static void give_room(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
    auto* const visit = static_cast<Visit*>(handle->data);
    *buffer = uv_buf_init(visit->chunk_, sizeof visit->chunk_);
  }

  static void heard(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
    auto* const visit = static_cast<Visit*>(stream->data);
    if (size > 0) visit->head_.append(buffer->base, static_cast<std::size_t>(size));
    const bool whole = visit->head_.find("\r\n\r\n") != std::string::npos;
    if (whole) visit->answer();
    if (whole || size < 0 || visit->head_.size() > limits::kMaximumUriBytes * 4) {
      visit->listener_.visits_.remove_if([&](const auto& other) { return other.get() == visit; });
    }
  }

  void answer() {
    std::string text = page("404 Not Found", "There is nothing here.");
    std::string_view line = std::string_view(head_).substr(0, head_.find("\r\n"));
    if (line.starts_with("GET ")) {
      line.remove_prefix(4);
      line = line.substr(0, line.find(' '));
      const std::size_t mark = std::min(line.find('?'), line.size());
      if (line.substr(0, mark) == kPath && mark < line.size()) {
        text = page("200 OK", listener_.called_(line.substr(mark + 1)));
      }
    }
    // A fresh socket has room for it.
    const uv_buf_t buffer = uv_buf_init(text.data(), static_cast<unsigned>(text.size()));
    uv_try_write(stream(), &buffer, 1);
  }

  OAuthListener& listener_;
  UvHandle<uv_tcp_t> socket_;
  std::string head_;
  char chunk_[4096];
};

OAuthListener::OAuthListener(EventLoop& loop, Called called)
    : loop_(loop), called_(std::move(called)), socket_(loop) {
  CHECK(uv_tcp_init(loop.raw(), socket_.get()) == 0);
  socket_.opened(this);
}

OAuthListener::~OAuthListener() = default;

Result<std::string> OAuthListener::start(int port) {
  sockaddr_in address{};
  uv_ip4_addr("127.0.0.1", port, &address);
  int failed = uv_tcp_bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), 0);
  if (failed == 0) {
    failed = uv_listen(reinterpret_cast<uv_stream_t*>(socket_.get()), 16,
                       [](uv_stream_t* server, int status) {
                         if (status == 0) static_cast<OAuthListener*>(server->data)->accept();
                       });
  }
  int size = sizeof address;
  if (failed == 0) {
    failed = uv_tcp_getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
  }
  if (failed != 0) {
    return Error{ErrorCode::Unavailable,
                 fmt::format("Port {} of this machine can't be listened at ({}).", port,
                             uv_strerror(failed))};
  }
  return fmt::format("http://127.0.0.1:{}{}", ntohs(address.sin_port), kPath);
}

void OAuthListener::accept() {
  if (visits_.size() >= limits::kLoginVisits) visits_.pop_front();
  visits_.push_back(std::make_unique<Visit>(*this));
  if (!visits_.back()->take()) visits_.pop_back();
}

}  // namespace pyember::host

#include "http_module/http_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/limits.h"

namespace pyember::http_module {

namespace {

constexpr int kAcceptsPerTurn = 64;  // then others get a turn
constexpr int kPeersPerTurn = 64;
constexpr std::chrono::milliseconds kLookAtTimes = std::chrono::seconds(1);

// libmicrohttpd keeps a request's head, a list of its fields, a window of the body and the answer's
// head in one pool for each connection; all of it is memory in use.
constexpr std::size_t pool_bytes(std::size_t head_bytes) { return head_bytes + (8u << 10); }

constexpr char kTlsPriorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

// What others in this process may have open.
constexpr rlim_t kOtherDescriptors = 1024;

// Programs start with few descriptors to be had (1,024 often) though they may have more. How many
// connections there can be.
std::size_t make_room_for(std::size_t connections) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return connections;
  const rlim_t wanted = connections + kOtherDescriptors;
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = std::min(wanted, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  const rlim_t others = std::min(kOtherDescriptors, limit.rlim_cur / 2);
  return std::min<std::size_t>(connections, limit.rlim_cur - others);
}

std::string text_of(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
    return text;
  }
  if (address.ss_family != AF_INET6) return {};
  const in6_addr& version_6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&version_6)) {
    inet_ntop(AF_INET, &version_6.s6_addr[12], text, sizeof text);
  } else {
    inet_ntop(AF_INET6, &version_6, text, sizeof text);
  }
  return text;
}

bool is_own_machine(const std::string& peer) { return peer == "::1" || peer.starts_with("127."); }

std::string peer_of(MHD_Connection& raw) {
  const MHD_ConnectionInfo* const info =
      MHD_get_connection_info(&raw, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  if (info == nullptr || info->client_addr == nullptr) return {};
  sockaddr_storage address{};
  if (info->client_addr->sa_family == AF_INET6) {
    std::memcpy(&address, info->client_addr, sizeof(sockaddr_in6));
  } else if (info->client_addr->sa_family == AF_INET) {
    std::memcpy(&address, info->client_addr, sizeof(sockaddr_in));
  }
  return text_of(address);
}

// The target is looked at as it was sent.
std::size_t leave_escaped(void*, MHD_Connection*, char* text) { return std::strlen(text); }

void drop_log(void*, const char*, va_list) {}

Error not_started(const host::HttpListen& listen) {
  return {ErrorCode::Unavailable,
          listen.tls
              ? "The HTTP server can't start: its certificate and its key are not to be used "
                "together. Pass a PEM certificate with the key that belongs to it, without "
                "a passphrase."
              : fmt::format("The HTTP server can't start: libmicrohttpd {} refuses. Is it "
                            "built with epoll? Install your system's libmicrohttpd.",
                            MHD_get_version())};
}

}  // namespace

Result<std::unique_ptr<host::HttpTransport>> HttpServer::make(host::EventLoop& loop,
                                                              host::HttpListen listen,
                                                              Handler handler) {
  std::unique_ptr<HttpServer> made(new HttpServer(loop, std::move(listen), std::move(handler)));
  if (const Result<void> started = made->start(); !started) return started.error();
  return std::unique_ptr<host::HttpTransport>(std::move(made));
}

HttpServer::HttpServer(host::EventLoop& loop, host::HttpListen listen, Handler handler)
    : loop_(loop),
      bounds_(std::move(listen)),
      handler_(std::move(handler)),
      peers_(epoll_create1(EPOLL_CLOEXEC)),
      soon_(loop, [this] { run(); }),
      times_(loop, [this] { look_after_times(); }) {}

Result<void> HttpServer::start() {
  bounds_.connections = make_room_for(bounds_.connections);
  unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME;
  std::array<MHD_OptionItem, 4> secret{{{MHD_OPTION_END, 0, nullptr}}};
  if (bounds_.tls) {
    flags |= MHD_USE_TLS;
    secret[0] = {MHD_OPTION_HTTPS_MEM_CERT, 0, const_cast<char*>(bounds_.tls->certificate.c_str())};
    secret[1] = {MHD_OPTION_HTTPS_MEM_KEY, 0, const_cast<char*>(bounds_.tls->key.c_str())};
    secret[2] = {MHD_OPTION_HTTPS_PRIORITIES, 0, const_cast<char*>(kTlsPriorities)};
    secret[3] = {MHD_OPTION_END, 0, nullptr};
  }
  daemon_ =
      MHD_start_daemon(flags, 0, nullptr, nullptr, &advance, this,                               //
                       MHD_OPTION_EXTERNAL_LOGGER, &drop_log, nullptr,                           //
                       MHD_OPTION_CONNECTION_MEMORY_LIMIT, pool_bytes(bounds_.head_bytes),       //
                       MHD_OPTION_CONNECTION_LIMIT, static_cast<unsigned>(bounds_.connections),  //
                       MHD_OPTION_CONNECTION_TIMEOUT, 0u,                                        //
                       MHD_OPTION_STRICT_FOR_CLIENT, 0, /* request_head.h is */                  //
                       MHD_OPTION_UNESCAPE_CALLBACK, &leave_escaped, nullptr,                    //
                       MHD_OPTION_URI_LOG_CALLBACK, &begin_request, this,                        //
                       MHD_OPTION_NOTIFY_COMPLETED, &end_request, this,                          //
                       MHD_OPTION_NOTIFY_CONNECTION, &note_connection, this,                     //
                       MHD_OPTION_ARRAY, secret.data(), MHD_OPTION_END);
  if (daemon_ == nullptr || !peers_) return not_started(bounds_);
  const MHD_DaemonInfo* const info = MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD);
  if (info == nullptr) return not_started(bounds_);
  daemon_poll_ = std::make_unique<host::Poll>(loop_, info->epoll_fd, [this](int) { run(); });
  daemon_poll_->start(UV_READABLE);
  peers_poll_ =
      std::make_unique<host::Poll>(loop_, peers_.get(), [this](int) { look_after_peers(); });
  peers_poll_->start(UV_READABLE);
  for (const int socket : bounds_.sockets) {
    sockets_.push_back(
        std::make_unique<host::Poll>(loop_, socket, [this, socket](int) { accept_some(socket); }));
  }
  listen_to_sockets(true);
  times_.start(kLookAtTimes, kLookAtTimes);
  return {};
}

HttpServer::~HttpServer() {
  if (daemon_ == nullptr) return;
  over_ = true;
  listen_to_sockets(false);
  daemon_poll_.reset();
  peers_poll_.reset();
  for (Connection& each : connections_) {
    if (each.request() != nullptr) each.request()->give_up();
  }
  // What was suspended goes on first, and so ends: libmicrohttpd wants it so.
  MHD_run(daemon_);
  MHD_stop_daemon(daemon_);
}

void HttpServer::stop_listening() {
  stopped_ = true;
  listen_to_sockets(false);
}

void HttpServer::close_idle() {
  closing_ = true;
  for (Connection& each : connections_) {
    if (each.request() == nullptr) each.cut();
  }
}

void HttpServer::listen_to_sockets(bool listening) {
  if (listening == listening_) return;
  listening_ = listening;
  for (const auto& each : sockets_) {
    if (listening) {
      each->start(UV_READABLE);
    } else {
      each->stop();
    }
  }
}

bool HttpServer::may_connect(const std::string& peer) const {
  if (is_own_machine(peer)) return true;
  const auto found = connections_of_.find(peer);
  return found == connections_of_.end() || found->second < bounds_.connections_of_peer;
}

// Out of descriptors, or full: the others wait in the socket, and are looked at again when a
// connection has ended or a second is over.
void HttpServer::accept_some(int socket) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    if (connections_.size() >= bounds_.connections) return listen_to_sockets(false);
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int accepted =
        accept4(socket, reinterpret_cast<sockaddr*>(&address), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (accepted < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        listen_to_sockets(false);
      }
      return;
    }
    if (may_connect(text_of(address))) {
      MHD_add_connection(daemon_, accepted, reinterpret_cast<sockaddr*>(&address), size);
    } else {
      close(accepted);
    }
  }
}

bool HttpServer::take_memory(std::size_t bytes) {
  if (body_memory_ + bytes > bounds_.bodies_bytes) return false;
  body_memory_ += bytes;
  return true;
}

void HttpServer::run_soon() { soon_.start(); }

void HttpServer::run() {
  CHECK(!running_);
  running_ = true;
  soon_.stop();
  MHD_run(daemon_);
  running_ = false;
  // Something may be left to do at once: a pipelined request, data that TLS has read ahead.
  MHD_UNSIGNED_LONG_LONG wait = 0;
  if (MHD_get_timeout(daemon_, &wait) == MHD_YES && wait == 0) soon_.start();
  if (!listening_ && !stopped_ && connections_.size() < bounds_.connections) {
    listen_to_sockets(true);
  }
}

void HttpServer::look_after_peers() {
  std::array<epoll_event, kPeersPerTurn> events;
  const int n = epoll_wait(peers_.get(), events.data(), kPeersPerTurn, 0);
  for (int i = 0; i < n; ++i) static_cast<Connection*>(events[i].data.ptr)->peer_left();
}

void HttpServer::look_after_times() {
  const auto now = Connection::Clock::now();
  for (Connection& each : connections_) {
    ServedRequest* const request = each.request();
    if (request != nullptr && request->is_idle() && each.peer_has_left()) request->give_up();
    if (each.is_abandoned() || each.is_overdue(bounds_, now)) each.cut();
  }
  run();
}

MHD_Result HttpServer::advance(void*, MHD_Connection*, const char*, const char* method,
                               const char* version, const char* part, std::size_t* size,
                               void** request) {
  return static_cast<ServedRequest*>(*request)->advance(method, version, part, size);
}

void* HttpServer::begin_request(void* server, const char* target, MHD_Connection* raw) {
  auto* const self = static_cast<HttpServer*>(server);
  const MHD_ConnectionInfo* const info =
      MHD_get_connection_info(raw, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  ++self->exchanges_;
  return new ServedRequest(*self, *static_cast<Connection*>(info->socket_context), target);
}

void HttpServer::end_request(void* server, MHD_Connection*, void** request,
                             MHD_RequestTerminationCode how) {
  const std::unique_ptr<ServedRequest> over(
      static_cast<ServedRequest*>(std::exchange(*request, nullptr)));
  if (!over) return;
  --static_cast<HttpServer*>(server)->exchanges_;
  over->finish(how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

void HttpServer::note_connection(void* server, MHD_Connection* raw, void** connection,
                                 MHD_ConnectionNotificationCode what) {
  auto* const self = static_cast<HttpServer*>(server);
  if (what == MHD_CONNECTION_NOTIFY_STARTED) return self->opened(*raw, connection);
  self->closed(*static_cast<Connection*>(*connection));
}

void HttpServer::opened(MHD_Connection& raw, void** connection) {
  const MHD_ConnectionInfo* const info =
      MHD_get_connection_info(&raw, MHD_CONNECTION_INFO_CONNECTION_FD);
  Connection& made = connections_.emplace_front(raw, info->connect_fd, peer_of(raw));
  made.place = connections_.begin();
  *connection = &made;
  ++connections_of_[made.peer()];
  epoll_event event{};
  event.events = EPOLLRDHUP | EPOLLET;
  event.data.ptr = &made;
  epoll_ctl(peers_.get(), EPOLL_CTL_ADD, made.socket(), &event);
}

void HttpServer::closed(Connection& connection) {
  epoll_ctl(peers_.get(), EPOLL_CTL_DEL, connection.socket(), nullptr);
  const auto peer = connections_of_.find(connection.peer());
  if (--peer->second == 0) connections_of_.erase(peer);
  connections_.erase(connection.place);
}

}  // namespace pyember::http_module

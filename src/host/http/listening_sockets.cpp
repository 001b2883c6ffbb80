#include "host/http/listening_sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "base/limits.h"

namespace pyember::host {

namespace {

constexpr char kVariable[] = "PYEMBER_INHERITED_SOCKETS";  // their descriptors

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;

  int family() const { return bytes.ss_family; }
  sockaddr* raw() { return reinterpret_cast<sockaddr*>(&bytes); }
  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

Address of_version_4(in_addr host, int port) {
  Address address;
  auto* const internet = reinterpret_cast<sockaddr_in*>(&address.bytes);
  internet->sin_family = AF_INET;
  internet->sin_addr = host;
  internet->sin_port = htons(static_cast<std::uint16_t>(port));
  address.size = sizeof(sockaddr_in);
  return address;
}

Address of_version_6(const in6_addr& host, int port) {
  Address address;
  auto* const internet = reinterpret_cast<sockaddr_in6*>(&address.bytes);
  internet->sin6_family = AF_INET6;
  internet->sin6_addr = host;
  internet->sin6_port = htons(static_cast<std::uint16_t>(port));
  address.size = sizeof(sockaddr_in6);
  return address;
}

std::optional<Address> parse(const std::string& host, int port) {
  in_addr version_4{};
  if (inet_pton(AF_INET, host.c_str(), &version_4) == 1) return of_version_4(version_4, port);
  in6_addr version_6{};
  if (inet_pton(AF_INET6, host.c_str(), &version_6) == 1) return of_version_6(version_6, port);
  return std::nullopt;
}

std::string host_of(const Address& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.family() == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&address.bytes)->sin6_addr, text,
              sizeof text);
  } else {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&address.bytes)->sin_addr, text,
              sizeof text);
  }
  return text;
}

int port_of(const Address& address) {
  return ntohs(address.family() == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6*>(&address.bytes)->sin6_port
                   : reinterpret_cast<const sockaddr_in*>(&address.bytes)->sin_port);
}

std::string shown(const Address& address) {
  const std::string host = host_of(address);
  return fmt::format("{}:{}", address.family() == AF_INET6 ? "[" + host + "]" : host,
                     port_of(address));
}

std::optional<Address> bound_address(int socket) {
  Address address;
  address.size = sizeof address.bytes;
  if (getsockname(socket, address.raw(), &address.size) != 0) return std::nullopt;
  if (address.family() != AF_INET && address.family() != AF_INET6) return std::nullopt;
  return address;
}

bool is_listening(int socket) {
  int listening = 0;
  socklen_t size = sizeof listening;
  return getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

bool is_any_of_version_6(const Address& address) {
  return address.family() == AF_INET6 &&
         IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6*>(&address.bytes)->sin6_addr);
}

// The socket, or errno.
std::pair<UniqueFd, int> listen_on(const Address& address) {
  UniqueFd made(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made) return {UniqueFd(), errno};
  const int on = 1;
  const int only_version_6 = is_any_of_version_6(address) ? 0 : 1;
  setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.family() == AF_INET6) {
    setsockopt(made.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only_version_6, sizeof only_version_6);
  }
  if (bind(made.get(), address.raw(), address.size) != 0 ||
      listen(made.get(), limits::kServedBacklog) != 0) {
    return {UniqueFd(), errno};
  }
  return {std::move(made), 0};
}

Error no_address(const std::string& host) {
  return {ErrorCode::InvalidArgument,
          fmt::format("Nothing can be served at \"{}\": it is no IPv4 or IPv6 address. Pass a "
                      "literal such as 127.0.0.1, ::1 or 0.0.0.0, or localhost.",
                      host)};
}

Error refused(const Address& address, int error) {
  const char* const advice =
      error == EADDRINUSE
          ? "Another program has it: end that one, or pass another --port (0 for a free one)."
      : error == EACCES ? "Ports below 1024 need a right of their own: pass another --port."
      : error == EADDRNOTAVAIL
          ? "This machine has no such address: pass one that it has with --host."
          : "Pass another --host or --port.";
  return {ErrorCode::Unavailable, fmt::format("Nothing can be served at {}: {}. {}", shown(address),
                                              std::strerror(error), advice)};
}

// Both loopbacks at one port; the one of IPv6 where there is any. A port that the system chose for
// the one may be taken for the other: then it chooses again.
constexpr int kTries = 16;

Result<std::vector<UniqueFd>> listen_on_loopbacks(int wanted) {
  int error = 0;
  for (int tries = 0; tries < kTries; ++tries) {
    Address first = of_version_4(in_addr{htonl(INADDR_LOOPBACK)}, wanted);
    auto [version_4, failed] = listen_on(first);
    if (!version_4) return refused(first, failed);
    const int port = port_of(*bound_address(version_4.get()));
    Address second = of_version_6(in6addr_loopback, port);
    auto [version_6, missing] = listen_on(second);
    std::vector<UniqueFd> both;
    both.push_back(std::move(version_4));
    if (version_6) both.push_back(std::move(version_6));
    if (missing != EADDRINUSE) return both;
    error = missing;
    if (wanted != 0) return refused(second, missing);
  }
  return refused(of_version_6(in6addr_loopback, wanted), error);
}

Result<std::vector<UniqueFd>> listen_on_all(const ListenAddress& wanted) {
  if (wanted.host == "localhost") return listen_on_loopbacks(wanted.port);
  const std::optional<Address> address = parse(wanted.host, wanted.port);
  if (!address) return no_address(wanted.host);
  auto [made, error] = listen_on(*address);
  if (!made) return refused(*address, error);
  std::vector<UniqueFd> one;
  one.push_back(std::move(made));
  return one;
}

// Descriptors that the program before left open; those that are no listening sockets are let alone.
std::vector<UniqueFd> inherited() {
  std::vector<UniqueFd> found;
  const char* const text = std::getenv(kVariable);
  if (text == nullptr) return found;
  for (std::string_view rest = text; !rest.empty();) {
    int number = -1;
    const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (read.ec != std::errc()) break;
    rest.remove_prefix(static_cast<std::size_t>(read.ptr - rest.data()));
    if (rest.starts_with(',')) rest.remove_prefix(1);
    if (number <= 2 || !is_listening(number) || !bound_address(number)) continue;
    fcntl(number, F_SETFD, FD_CLOEXEC);
    found.emplace_back(number);
  }
  unsetenv(kVariable);
  return found;
}

bool fits(const Address& address, const ListenAddress& wanted) {
  if (wanted.port != 0 && port_of(address) != wanted.port) return false;
  if (wanted.host == "localhost") return is_loopback(host_of(address));
  const std::optional<Address> same = parse(wanted.host, 0);
  return same && same->family() == address.family() && host_of(*same) == host_of(address);
}

bool all_fit(const std::vector<UniqueFd>& sockets, const ListenAddress& wanted) {
  for (const UniqueFd& each : sockets) {
    if (!fits(*bound_address(each.get()), wanted)) return false;
  }
  return !sockets.empty();
}

}  // namespace

bool is_loopback(const std::string& host) {
  if (host == "localhost") return true;
  const std::optional<Address> address = parse(host, 0);
  if (!address) return false;
  if (address->family() == AF_INET6) {
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(&address->bytes)->sin6_addr);
  }
  const auto* const internet = reinterpret_cast<const sockaddr_in*>(&address->bytes);
  return ntohl(internet->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

Result<ListeningSockets> ListeningSockets::open(const ListenAddress& wanted) {
  Result<std::vector<UniqueFd>> made = listen_on_all(wanted);
  if (!made) return made.error();
  ListeningSockets sockets;
  sockets.sockets_ = made.take();
  sockets.port_ = port_of(*bound_address(sockets.sockets_.front().get()));
  return sockets;
}

Result<ListeningSockets> ListeningSockets::inherited_or_open(const ListenAddress& wanted) {
  std::vector<UniqueFd> found = inherited();
  if (!all_fit(found, wanted)) {
    found.clear();
    return open(wanted);
  }
  ListeningSockets sockets;
  sockets.port_ = port_of(*bound_address(found.front().get()));
  sockets.sockets_ = std::move(found);
  return sockets;
}

void ListeningSockets::hand_on() const {
  setenv(kVariable, fmt::format("{}", fmt::join(descriptors(), ",")).c_str(), 1);
  for (const UniqueFd& each : sockets_) fcntl(each.get(), F_SETFD, 0);
}

void ListeningSockets::take_back() const {
  unsetenv(kVariable);
  for (const UniqueFd& each : sockets_) fcntl(each.get(), F_SETFD, FD_CLOEXEC);
}

std::vector<int> ListeningSockets::descriptors() const {
  std::vector<int> numbers;
  for (const UniqueFd& each : sockets_) numbers.push_back(each.get());
  return numbers;
}

std::vector<std::string> ListeningSockets::addresses() const {
  std::vector<std::string> shown_addresses;
  for (const UniqueFd& each : sockets_)
    shown_addresses.push_back(shown(*bound_address(each.get())));
  return shown_addresses;
}

}  // namespace pyember::host

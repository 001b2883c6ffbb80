#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace pyember::host {

// A host that code behind a boundary may reach, through the server's proxy (sandbox_proxy.h): a
// name in lower case, "*." and a name for everything below it, or an address.
struct AllowedHost {
  std::string host;
  std::vector<std::uint16_t> ports;

  bool operator==(const AllowedHost&) const = default;
};

// "example.org", "*.example.org", "example.org:8443", "10.0.0.5:80", "[::1]:80"; ports 80 and 443
// when none is named. Every name's last part is a word, as names of the internet's are. An error
// tells what is wrong with the first that can't be used, and what would be right.
Result<std::vector<AllowedHost>> parse_allowed_hosts(const std::vector<std::string>& texts);

// Where programs behind a boundary find the proxy, and the server's socket they get there by.
inline constexpr int kProxyPort = 3128;
inline constexpr const char* kProxySocket = "/run/pyember/proxy.sock";

// What makes programs there use it ("NAME=value"), and the runtime carry it there
// (python/mcp_runtime/worker/forwarder.py). Their own 127.0.0.1 they reach without it, unless the
// list names that of the server's machine. Empty when the list is.
std::vector<std::string> proxy_environment(const std::vector<AllowedHost>& hosts);

}  // namespace pyember::host

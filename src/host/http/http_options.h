#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "host/http/gate/settings.h"

namespace pyember::host {

inline constexpr std::size_t kPemFileBytes = 1u << 20;  // many certificates

// How a server over HTTP is reached, and by whom.
struct HttpOptions {
  GateSettings gate;        // with the address and the path
  int port = 8000;          // --port; 0: one that is free
  std::string certificate;  // --tls-cert, --tls-key: paths of PEM files; empty: plain HTTP
  std::string key;
  std::vector<int> sockets = {};  // bound and listening; made by main() before the server's process
};

}  // namespace pyember::host

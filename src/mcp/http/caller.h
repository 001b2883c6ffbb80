#pragma once

#include "mcp/http/exchange.h"

#include <functional>
#include <string_view>

namespace pyember::mcp {

// Who sent a request, as far as the protocol is concerned: what the token it came with allows.
// Requests of one principal may carry different ones.
struct HttpCaller {
  // Whether it may call a tool; others are not listed, and calling one is answered 403. Empty: all.
  std::function<bool(std::string_view tool)> may_call;
  // The fields of such a 403 (WWW-Authenticate: which scope is missing). Empty: none.
  std::function<HttpFields(std::string_view tool)> challenge;
};

}  // namespace pyember::mcp

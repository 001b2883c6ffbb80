#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace pyember::host {

// Who sends a request.
struct Caller {
  // What their sessions, jobs and everything else belong to: the same for the same caller, and
  // never another's. Empty: nobody was asked who they are (a server on loopback without tokens).
  std::string principal;
  std::string shown;                // for logs: printable and short
  std::vector<std::string> scopes;  // see scopes.h
  std::string token;                // the id of a token of the server's file; empty: another kind
  std::int64_t valid_until = 0;     // seconds since 1970; 0: for good
  std::function<bool(std::string_view tool)> may_call;  // by its listed name; empty: all of them
};

}  // namespace pyember::host

#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace pyember::host {

// Where a server is to be reached.
struct ListenAddress {
  // An IPv4 or IPv6 literal, without brackets, or "localhost": both loopbacks, where there are
  // both.
  // "::" is every address of both kinds.
  std::string host = "localhost";
  int port = 0;  // 0: one that is free
};

// Whether only this machine can reach it: "localhost", 127.0.0.0/8, ::1.
bool is_loopback(const std::string& host);

// Sockets that are bound and listening. They are made before the server's process is, so that a
// server that follows a dead one listens on the same: who connects meanwhile waits in the queue and
// is served. Any thread.
class ListeningSockets {
 public:
  // The error (InvalidArgument: no such address; Unavailable: it is taken, or not to be had) says
  // what to do.
  static Result<ListeningSockets> open(const ListenAddress& wanted);

  // As open(), except that sockets handed on by the program before this one (hand_on) are taken
  // over when they fit what is wanted, and closed when they don't.
  static Result<ListeningSockets> inherited_or_open(const ListenAddress& wanted);

  // Leaves the sockets open in the program that this process becomes, and tells it of them by its
  // environment. take_back() when it did not become one.
  void hand_on() const;
  void take_back() const;

  std::vector<int> descriptors() const;
  int port() const { return port_; }
  // As URLs have them: "127.0.0.1:8000", "[::1]:8000".
  std::vector<std::string> addresses() const;

 private:
  std::vector<UniqueFd> sockets_;
  int port_ = 0;
};

}  // namespace pyember::host

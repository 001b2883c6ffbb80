#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/loop/uv_handle.h"
#include "host/session/session_registry.h"

namespace pyember::host {

// Sessions that live for one call, where nothing is to stay. Loop's thread; the registry outlives
// it.
class FreshSessions {
 public:
  FreshSessions(EventLoop& loop, SessionRegistry& registry);

  // A name that no session has had.
  std::string next_name();
  // The call is over: the session is closed in a later turn of the loop, as it is the session that
  // tells of the end.
  void over(std::string name);

 private:
  void close_all();

  SessionRegistry& registry_;
  std::uint64_t count_ = 0;
  std::vector<std::string> over_;
  Timer timer_;
};

}  // namespace pyember::host

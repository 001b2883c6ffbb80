#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "host/loop/uv_handle.h"

namespace pyember::host {

// Where a browser brings the answer of a login: http://127.0.0.1:PORT/callback?…, served to
// whoever asks. What the query says is anybody's word. Loop's thread only.
class OAuthListener {
 public:
  // Text for the person who looks at the browser; may not destroy the listener.
  using Called = std::function<std::string(std::string_view query)>;

  OAuthListener(EventLoop& loop, Called called);
  ~OAuthListener();
  // 0: a port that is free. The address to come back to.
  Result<std::string> start(int port);

 private:
  class Visit;
  void accept();

  EventLoop& loop_;
  const Called called_;
  UvHandle<uv_tcp_t> socket_;
  std::list<std::unique_ptr<Visit>> visits_;
};

}  // namespace pyember::host

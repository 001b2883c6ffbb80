#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/limits.h"
#include "base/result.h"
#include "host/loop/event_loop.h"
#include "host/loop/loop_poster.h"
#include "mcp/json.h"

namespace pyember::embed {
class Runtime;
}

namespace pyember::host {

// What the server itself asks of Python (reading scripts, .env files, drawing curves), done in an
// interpreter of its own that no client can reach: module python/mcp_services. The interpreter is
// made at the first call and replaced when a call is lost; every call has a deadline. Loop's thread
// only.
class PythonServices {
 public:
  using RuntimeSource = std::function<embed::Runtime&()>;
  using Done = std::function<void(Result<mcp::Json>)>;

  // After `idle` without a call the interpreter is given back.
  PythonServices(RuntimeSource runtime, EventLoop& loop, LoopPoster& poster,
                 std::chrono::milliseconds idle = limits::kServiceIdleTimeout);
  ~PythonServices();  // calls in flight are dropped without an answer

  // mcp_services.<function>(**arguments). `done` is called once, in a later turn of the loop, with
  // what the function returned (JSON), or with the message of the exception it raised.
  void call(std::string function, mcp::Json arguments, Done done);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pyember::host

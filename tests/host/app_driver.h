#pragma once

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "fake_runtime.h"
#include "host/app.h"
#include "mcp/json.h"

namespace pyember::host {

// A whole server on a thread of its own, over two real pipes, with a fake runtime: what a client
// sees, without CPython. Speaks the handshake era.
class AppDriver {
 public:
  explicit AppDriver(Options options = {}, embed::RuntimeHealth health = {.started = true});
  ~AppDriver();

  // Sends a tools/call and returns its id.
  int call(const std::string& tool, mcp::Json arguments, mcp::Json meta = nullptr);
  int request(const std::string& method, mcp::Json params);
  void notify(const std::string& method, mcp::Json params);
  void send(std::string_view bytes);
  // The answer to a request; null when none comes within 20 s.
  mcp::Json answer(int id);
  // The result of a call that is awaited.
  mcp::Json run(const std::string& tool, mcp::Json arguments);
  // Reads until `seconds` have passed or the output has ended.
  void read_for(double seconds);
  std::vector<mcp::Json> notifications(const std::string& method) const;

  void close_input();
  int exit_code();  // waits for the end; -1: it did not come within 20 s
  void tell_health(embed::RuntimeHealth health);
  FakeRuntime& runtime() { return *runtime_; }

 private:
  bool read_more(int timeout_ms);

  std::string folder_;  // of its jobs
  std::unique_ptr<FakeRuntime> owned_;
  FakeRuntime* runtime_;
  int to_server_ = -1;
  int from_server_ = -1;
  int next_id_ = 1;
  std::string buffer_;
  std::map<int, mcp::Json> answers_;
  std::vector<mcp::Json> notifications_;
  std::atomic<bool> over_{false};
  int exit_code_ = -1;
  std::thread thread_;
};

}  // namespace pyember::host

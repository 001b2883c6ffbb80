#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "host/loop/event_loop.h"
#include "host/loop/uv_handle.h"
#include "mcp/json.h"

namespace pyember::host {

class AuditFile;

// One call of an upstream, when it is over. What was said is not in it: of the arguments only their
// digest is.
struct AuditRecord {
  std::chrono::system_clock::time_point when;  // it was made
  std::string principal;  // whose session it is, where callers have names; else empty
  std::string session;
  std::uint64_t cell = 0;
  std::string trace_id;          // of the client's trace that the cell belongs to; empty: none
  std::string server;            // as configured
  std::string operation;         // tools/call, resources/read, prompts/get
  std::string name;              // the tool's, the prompt's; the resource's URI (without its query)
  std::string arguments_sha256;  // arguments_digest()
  std::chrono::milliseconds took{};
  std::size_t bytes = 0;  // of the result as it came
  std::string outcome;    // ok, or the kind of the error: tool, denied, timeout, lost …
};

// The SHA-256 of the arguments in their canonical form: compact JSON in UTF-8, members of objects
// sorted by name. 64 hexadecimal digits.
std::string arguments_digest(const mcp::Json& arguments);

// Writes down every call of an upstream: one JSON object a line, in a file only the user can read.
// When the file has reached its bound it becomes `<path>.1`, those before it `.2` and so on; the
// oldest goes. Several servers may write into one file: each line is appended by one write.
//
// add() costs the loop the making of a line; lines are written by libuv's pool, a little later or
// when many wait. A disk that takes none makes a warning in the log, once, and lines are dropped
// rather than held: calls go on.
//
// Loop's thread only.
class AuditLog {
 public:
  struct Bounds {
    std::size_t file_bytes = limits::kAuditFileBytes;
    std::size_t files = limits::kAuditFiles;  // with those that are full
  };

  // Its folder is made with the first line. An empty path: nothing is written.
  AuditLog(EventLoop& loop, std::string path, Bounds bounds);
  AuditLog(EventLoop& loop, std::string path);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  void add(const AuditRecord& record);

  // Writes what waits, and waits for it: at the server's end.
  void flush();

 private:
  void write_soon();
  void warn_of(const std::string& problem);

  EventLoop& loop_;
  const std::string path_;
  const std::shared_ptr<AuditFile> file_;  // shared with the pool, which may be writing at the end
  const std::shared_ptr<bool> alive_;      // gone with this: the pool's word comes too late then
  bool writing_ = false;
  bool warned_ = false;
  Timer timer_;
};

}  // namespace pyember::host

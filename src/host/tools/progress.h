#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/loop/uv_handle.h"
#include "mcp/tool.h"

namespace pyember::host {

class ProgressFeed;

// Drives the progress of the calls that asked for it: one timer for all, running only while there
// is such a call. Loop's thread only; outlives its feeds.
class ProgressTicker {
 public:
  // `congested` says that the client does not read: nothing is sent then, output goes on waiting
  // in each feed, bounded.
  ProgressTicker(EventLoop& loop, std::function<bool()> congested);

 private:
  friend class ProgressFeed;
  void add(ProgressFeed& feed);
  void remove(ProgressFeed& feed);
  void tick();

  std::function<bool()> congested_;
  Timer timer_;
  std::vector<ProgressFeed*> feeds_;
};

// The progress of one call: what the cell prints, at most every limits::kProgressPeriod, and a sign
// of life every limits::kKeepAlivePeriod. The progress value is the seconds since the call.
class ProgressFeed {
 public:
  ProgressFeed(ProgressTicker& ticker, std::shared_ptr<mcp::ToolCall> call);
  ~ProgressFeed();
  ProgressFeed(const ProgressFeed&) = delete;
  ProgressFeed& operator=(const ProgressFeed&) = delete;

  void output(std::string_view bytes);
  void flush();  // what has not been sent yet, before the answer

 private:
  friend class ProgressTicker;
  void tick(std::uint64_t now);
  void send(std::uint64_t now);

  ProgressTicker& ticker_;
  const std::shared_ptr<mcp::ToolCall> call_;
  const std::uint64_t started_ns_;
  std::uint64_t sent_ns_;
  std::string waiting_;
  std::uint64_t left_out_ = 0;
};

}  // namespace pyember::host

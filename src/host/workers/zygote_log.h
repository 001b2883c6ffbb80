#pragma once

#include <sys/types.h>

#include <string>

#include "base/descriptor.h"
#include "host/loop/uv_handle.h"

namespace pyember::host {

// Brings what a zygote prints (or another process of ours: `event` is what the log calls it) to the
// server's log, line by line, up to limits::kZygoteLogBytes. What is beyond is read and dropped, so
// that it never waits for us.
class ZygoteLog {
 public:
  ZygoteLog(EventLoop& loop, Descriptor pipe, pid_t zygote, const char* event = "zygote_said");

  void read_now();
  // The end of what it printed, for an error; empty: nothing.
  std::string last_words() const;

 private:
  void add(std::string_view text);
  void write_line(std::string_view line) const;

  Descriptor pipe_;
  const pid_t zygote_;
  const char* const event_;
  std::size_t read_ = 0;
  std::string line_;
  std::string tail_;
  bool ended_ = false;
  Poll poll_;
};

}  // namespace pyember::host

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"
#include "host/loop/uv_handle.h"

namespace pyember::host {

// What an upstream's child prints to stderr: read as it comes, so that the child never waits for
// us, and the end of it kept (limits::kUpstreamStderrBytes). Loop's thread only.
class ChildStderr {
 public:
  // `secrets` are shown as "***": values of the child's environment.
  ChildStderr(EventLoop& loop, Descriptor pipe, std::vector<std::string> secrets);

  // What has come and was not read yet.
  void read_now();
  // Something that belongs to it but came another way, as a line of its own.
  void add_line(std::string_view text);
  // The last of it (limits::kUpstreamStderrShown), printable; empty: nothing.
  std::string last() const;

 private:
  void add(std::string_view text);

  Descriptor pipe_;
  const std::vector<std::string> secrets_;
  std::string kept_;
  bool ended_ = false;
  Poll poll_;
};

}  // namespace pyember::host

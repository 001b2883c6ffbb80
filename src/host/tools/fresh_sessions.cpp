#include "host/tools/fresh_sessions.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

namespace pyember::host {

FreshSessions::FreshSessions(EventLoop& loop, SessionRegistry& registry)
    : registry_(registry), timer_(loop, [this] { close_all(); }) {}

std::string FreshSessions::next_name() {
  std::string name;
  do {
    name = fmt::format("call-{}", ++count_);
  } while (registry_.find(name) != nullptr);  // of a server before this one
  return name;
}

void FreshSessions::over(std::string name) {
  over_.push_back(std::move(name));
  timer_.start(std::chrono::milliseconds(0));
}

void FreshSessions::close_all() {
  for (const std::string& name : std::exchange(over_, {})) {
    (void)registry_.close(name);  // one that is gone already needs it no more
  }
}

}  // namespace pyember::host

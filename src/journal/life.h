#pragma once

#include <cstdint>

namespace pyember::journal {

struct Layout;

// What a server tells its supervisor about itself.
class Life {
 public:
  explicit Life(Layout& layout) : layout_(layout) {}

  void begin();   // the supervisor's: a new server is about to start
  void served();  // it has answered something that it has read itself: it works
  void ended();   // it ends because it was told to, or the client has gone
  bool has_served() const;
  bool has_ended() const;
  std::uint64_t restarts() const;  // servers that were begun after the first

 private:
  Layout& layout_;
};

}  // namespace pyember::journal

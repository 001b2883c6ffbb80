#pragma once

#include <memory>

namespace pyember::host {

// Tells code that calls out whether the object it belongs to was destroyed meanwhile. An object
// that may be has a CallOut::Life; whoever calls out on its behalf makes a CallOut on the stack and
// asks gone() before it touches the object again. One thread.
class CallOut {
 public:
  class Life {
   public:
    Life() = default;
    Life(const Life&) = delete;
    Life& operator=(const Life&) = delete;

   private:
    friend class CallOut;
    // Shared with nobody: only so that it can be seen to end.
    std::shared_ptr<char> self_ = std::make_shared<char>();
  };

  explicit CallOut(const Life& life) : life_(life.self_) {}
  bool gone() const { return life_.expired(); }

 private:
  std::weak_ptr<char> life_;
};

}  // namespace pyember::host

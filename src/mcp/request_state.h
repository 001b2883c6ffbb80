#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <variant>

namespace pyember::mcp {

// The requestState that a modern client is given with a question and brings back with the answer
// (PROTOCOL: MRTR-4): the name of what waits, until when it waits and a seal (HMAC-SHA256 with a
// key that never leaves the server) over these and over what was asked: the method, what it was
// called of, and its arguments. What a client changes, or brings with another request, is known by
// the seal before anything is looked up by it. A name is good for one use, which is for its owner
// to see to.
class RequestStates {
 public:
  using Clock = std::chrono::system_clock;
  using Now = std::function<Clock::time_point()>;

  // What a state was given for.
  struct Subject {
    std::string_view method;     // "tools/call"
    std::string_view name;       // of the tool or prompt, or a resource's URI
    std::size_t arguments_hash;  // the same for the same arguments
  };
  // Why one can't be used, in words that go on "requestState can't be used, because …".
  struct Refused {
    std::string why;
  };

  // With a key of its own. `now`: for tests.
  explicit RequestStates(Now now = Clock::now);

  std::string seal(std::string_view name, const Subject& subject) const;
  std::variant<std::string, Refused> open(std::string_view state, const Subject& subject) const;

  // For a server that follows this one: what this one has sealed, it can open.
  const std::string& key() const { return key_; }
  void set_key(std::string key) { key_ = std::move(key); }

  Clock::time_point now() const { return now_(); }

 private:
  std::string seal_of(std::string_view name, std::string_view expiry, const Subject& subject) const;

  const Now now_;
  std::string key_;
};

}  // namespace pyember::mcp

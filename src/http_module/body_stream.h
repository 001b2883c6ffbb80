#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "http_module/response.h"

namespace pyember::http_module {

// The body of a streamed response: what waits for libmicrohttpd to ask for it. While there is none
// its connection is suspended, so that an idle stream costs no time. Shared: by the request, which
// writes, and by the response, which libmicrohttpd may hold longer.
class BodyStream {
 public:
  enum class State { Open, Ended, Broken };  // Broken: cut off without its end

  explicit BodyStream(MHD_Connection* connection) : connection_(connection) {}

  // The response that reads from `stream`; null: no memory.
  static ResponsePtr response_of(const std::shared_ptr<BodyStream>& stream);

  void write(std::string&& piece);
  void end(State how);
  // The connection's request is over: nothing is resumed any more.
  void leave() { connection_ = nullptr; }

  State state() const { return state_; }
  bool is_idle() const { return suspended_; }  // all is sent, and more may come
  std::size_t pending_bytes() const { return waiting_.size() - offset_; }

 private:
  ssize_t read(char* into, std::size_t size);
  void resume();

  MHD_Connection* connection_;  // null: the request is over
  std::string waiting_;
  std::size_t offset_ = 0;  // of waiting_: already read
  State state_ = State::Open;
  bool suspended_ = false;
};

}  // namespace pyember::http_module

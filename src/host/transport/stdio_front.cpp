#include "host/transport/stdio_front.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace pyember::host {

StdioFront::StdioFront(EventLoop& loop, ProtocolDescriptors descriptors, journal::Journal& journal,
                       Callbacks callbacks)
    : journal_(journal),
      callbacks_(std::move(callbacks)),
      transport_(loop, descriptors, journal,
                 {[this](std::string_view bytes) { connection_->receive(bytes); },
                  [this](std::string_view line) { connection_->receive_early(line); },
                  [this] { input_ended(); }, [this] { callbacks_.peer_gone(); }}) {}

bool StdioFront::follows_another() {
  left_ = transport_.resume();
  if (left_.position > 0) spdlog::warn("resumed unanswered={}", left_.lines.size());
  return left_.position > 0;
}

Result<void> StdioFront::start() {
  server_ = &callbacks_.workspace().server();
  connection_.emplace(*server_, transport_);
  connection_->resume(std::move(left_));
  transport_.start();
  return {};
}

void StdioFront::input_ended() {
  spdlog::info("input_ended in_flight={}", server_->in_flight());
  connection_->receive_end();
  callbacks_.input_ended();
}

Front::Handover StdioFront::hand_over() {
  transport_.hand_over();
  return Handover::NextServesTheRest;
}

bool StdioFront::flushed() {
  transport_.flush();
  return transport_.flushed();
}

}  // namespace pyember::host

#include "mcp/http/reply.h"

#include "mcp/http/sse.h"

#include <utility>

namespace pyember::mcp {

Reply::Reply(std::shared_ptr<HttpExchange> exchange, Accepted accepted, HttpLoad& load)
    : exchange_(std::move(exchange)),
      load_(load),
      bytes_(exchange_->request().body.size()),
      accepted_(accepted) {
  ++load_.exchanges;
  load_.bytes += bytes_;
}

Reply::~Reply() {
  if (!is_over()) over();
}

// The exchange may live on in the transport, so it forgets whom it called.
void Reply::over() {
  exchange_->on_gone([] {});
  exchange_.reset();
  --load_.exchanges;
  load_.bytes -= bytes_;
}

void Reply::when_gone(std::function<void()> callback) {
  exchange_->on_gone([this, callback = std::move(callback)] {
    // Both live in the exchange, which lets go of them in over().
    const std::function<void()> told = callback;
    over();
    told();
  });
}

bool Reply::answers_alone(int status) const {
  return !streaming_ && (accepted_.json || status != 200);
}

void Reply::add_field(std::string name, std::string value) {
  fields_.push_back({std::move(name), std::move(value)});
}

void Reply::answer(std::string&& message, int status, HttpFields&& fields) {
  if (is_over()) return;
  fields.push_back({"Content-Type", "application/json"});
  fields.insert(fields.end(), fields_.begin(), fields_.end());
  exchange_->respond(status, fields, std::move(message));
  over();
}

void Reply::accept(int status) {
  if (is_over()) return;
  exchange_->respond(status, {}, {});
  over();
}

void Reply::refuse(const RequestId& id, const Refusal& refusal) {
  if (is_over()) return;
  mcp::refuse(*exchange_, id, refusal);
  over();
}

void Reply::begin_stream() {
  static const HttpFields kFields = {{"Content-Type", "text/event-stream"},
                                     {"Cache-Control", "no-cache"},
                                     {"X-Accel-Buffering", "no"}};
  if (!is_undecided() || !accepted_.events) return;
  streaming_ = true;
  if (fields_.empty()) return exchange_->begin_stream(200, kFields);
  fields_.insert(fields_.end(), kFields.begin(), kFields.end());
  exchange_->begin_stream(200, fields_);
}

void Reply::write(std::string&& event) {
  begin_stream();
  if (is_over() || !streaming_) return;
  written_ = true;
  exchange_->write(std::move(event));
}

void Reply::end() {
  begin_stream();
  if (is_over()) return;
  if (streaming_) {
    exchange_->end();
    over();
  } else {
    accept(204);
  }
}

void Reply::keep_alive() {
  if (!written_) write(comment());
  written_ = false;
}

}  // namespace pyember::mcp

#include "host/http/caller_exchange.h"

#include <utility>

namespace pyember::host {

CallerExchange::CallerExchange(std::shared_ptr<mcp::HttpExchange> inner, Caller caller,
                               mcp::HttpFields added, Streaming streaming)
    : inner_(std::move(inner)),
      caller_(std::move(caller)),
      added_(std::move(added)),
      streaming_(std::move(streaming)) {}

void CallerExchange::Gone::tell() {
  if (const auto told = std::exchange(callback, {})) told();
}

void CallerExchange::revoke() {
  revoked_ = true;
  gone_->tell();
}

mcp::HttpFields CallerExchange::with_added(const mcp::HttpFields& fields) const {
  mcp::HttpFields all = fields;
  all.insert(all.end(), added_.begin(), added_.end());
  return all;
}

void CallerExchange::respond(int status, const mcp::HttpFields& fields, std::string&& body) {
  if (!revoked_) inner_->respond(status, with_added(fields), std::move(body));
}

void CallerExchange::begin_stream(int status, const mcp::HttpFields& fields) {
  if (revoked_) return;
  inner_->begin_stream(status, with_added(fields));
  if (streaming_) streaming_(shared_from_this());
}

void CallerExchange::write(std::string&& piece) {
  if (!revoked_) inner_->write(std::move(piece));
}

void CallerExchange::end() {
  if (!revoked_) inner_->end();
}

void CallerExchange::on_gone(std::function<void()> callback) {
  gone_->callback = std::move(callback);
  inner_->on_gone([gone = gone_] { gone->tell(); });
}

}  // namespace pyember::host

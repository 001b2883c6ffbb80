#include "host/upstream/lazy_gateway.h"

namespace pyember::host {

UpstreamGateway& LazyGateway::get() {
  if (!gateway_) gateway_ = make_();
  return *gateway_;
}

bool LazyGateway::ended(std::chrono::milliseconds deadline) {
  if (!gateway_) return true;
  if (!ending_) {
    ending_ = true;
    gateway_->end(deadline, [this] { ended_ = true; });
  }
  return ended_;
}

}  // namespace pyember::host

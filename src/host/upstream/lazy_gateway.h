#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "host/upstream/gateway.h"

namespace pyember::host {

// The gateway, which is made when something is first asked of it: until then no configuration is
// read. Owned by the App; loop's thread only.
class LazyGateway final : public CallService {
 public:
  using Make = std::function<std::unique_ptr<UpstreamGateway>()>;
  explicit LazyGateway(Make make) : make_(std::move(make)) {}

  UpstreamGateway& get();
  UpstreamGateway* made() { return gateway_.get(); }  // null: nothing was asked of it

  std::uint64_t serve(const std::shared_ptr<RunPermit>& permit, CallOrder order,
                      Done done) override {
    return get().serve(permit, std::move(order), std::move(done));
  }
  void cancel(std::uint64_t id) override { get().cancel(id); }

  // Ends the upstreams there are; true when they have ended. To be called again until then.
  bool ended(std::chrono::milliseconds deadline);

 private:
  const Make make_;
  std::unique_ptr<UpstreamGateway> gateway_;
  bool ending_ = false;
  bool ended_ = false;
};

}  // namespace pyember::host

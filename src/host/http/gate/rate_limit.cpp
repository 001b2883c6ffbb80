#include "host/http/gate/rate_limit.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cmath>

namespace pyember::host {

double RateLimit::tokens_of(const Bucket& bucket, std::uint64_t now) const {
  constexpr double kNanoseconds = 1e9;
  const double seconds = now > bucket.at ? static_cast<double>(now - bucket.at) / kNanoseconds : 0;
  return std::min(bounds_.at_once, bucket.tokens + seconds * bounds_.per_second);
}

std::chrono::milliseconds RateLimit::until_one(double tokens) const {
  constexpr double kMilliseconds = 1000;
  return std::chrono::milliseconds(
      static_cast<std::int64_t>(std::ceil((1 - tokens) / bounds_.per_second * kMilliseconds)));
}

RateLimit::Wait RateLimit::look(std::string_view name, std::uint64_t now) const {
  const auto found = buckets_.find(name);
  if (found == buckets_.end()) return std::nullopt;
  const double tokens = tokens_of(*found->second, now);
  return tokens >= 1 ? Wait() : Wait(until_one(tokens));
}

RateLimit::Wait RateLimit::take(std::string_view name, std::uint64_t now) {
  const auto found = buckets_.find(name);
  if (found != buckets_.end()) {
    order_.splice(order_.begin(), order_, found->second);
  } else {
    order_.push_front({std::string(name), bounds_.at_once, now});
    buckets_.emplace(order_.front().name, order_.begin());
  }
  if (order_.size() > bounds_.entries) {
    buckets_.erase(order_.back().name);
    order_.pop_back();
  }
  Bucket& bucket = order_.front();
  bucket.tokens = tokens_of(bucket, now);
  bucket.at = now;
  if (bucket.tokens < 1) return until_one(bucket.tokens);
  bucket.tokens -= 1;
  return std::nullopt;
}

std::string network_of(const std::string& peer) {
  in6_addr address{};
  if (inet_pton(AF_INET6, peer.c_str(), &address) != 1) return peer;
  constexpr std::size_t kNetworkBytes = 8;
  const std::size_t kept = IN6_IS_ADDR_V4MAPPED(&address) ? sizeof address : kNetworkBytes;
  std::fill(address.s6_addr + kept, address.s6_addr + sizeof address, std::uint8_t{0});
  char text[INET6_ADDRSTRLEN];
  return inet_ntop(AF_INET6, &address, text, sizeof text) != nullptr ? text : peer;
}

}  // namespace pyember::host

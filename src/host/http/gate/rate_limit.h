#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace pyember::host {

// Buckets of tokens, one for each name: so many requests a second, and so many at once after a
// pause. At most `entries` names are known: the one that was not heard of for longest is forgotten,
// and begins anew. On the loop's thread.
class RateLimit {
 public:
  struct Bounds {
    double per_second;
    double at_once;  // at least 1
    std::size_t entries;
  };
  explicit RateLimit(Bounds bounds) : bounds_(bounds) {}

  // Takes one. Null: there was one, else how long until there is. `now`: now_ns().
  using Wait = std::optional<std::chrono::milliseconds>;
  Wait take(std::string_view name, std::uint64_t now);
  // How take() would answer.
  Wait look(std::string_view name, std::uint64_t now) const;

  std::size_t size() const { return buckets_.size(); }

 private:
  struct Bucket {
    std::string name;
    double tokens;
    std::uint64_t at;  // when they were so many
  };
  using Order = std::list<Bucket>;  // heard of last: first

  double tokens_of(const Bucket& bucket, std::uint64_t now) const;
  std::chrono::milliseconds until_one(double tokens) const;

  const Bounds bounds_;
  Order order_;
  std::unordered_map<std::string_view, Order::iterator> buckets_;  // keys: the names in order_
};

// What an address counts as: itself, or for IPv6 the network of 64 bits that one customer has.
std::string network_of(const std::string& peer);

}  // namespace pyember::host

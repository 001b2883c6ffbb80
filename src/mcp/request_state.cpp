#include "mcp/request_state.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <utility>

#include "base/hmac.h"
#include "base/limits.h"
#include "base/random_hex.h"

namespace pyember::mcp {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kMaximumStateBytes = 256;  // name, expiry and seal are less

std::int64_t in_seconds(RequestStates::Clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

RequestStates::RequestStates(Now now) : now_(std::move(now)), key_(random_hex(kKeyBytes)) {}

// Lengths stand before what may hold anything, so that no two subjects read the same.
std::string RequestStates::seal_of(std::string_view name, std::string_view expiry,
                                   const Subject& subject) const {
  return hmac_sha256_hex(
      key_, fmt::format("requestState 1\n{}\n{}\n{}\n{} {}\n{:x}", name, expiry, subject.method,
                        subject.name.size(), subject.name, subject.arguments_hash));
}

std::string RequestStates::seal(std::string_view name, const Subject& subject) const {
  const std::string expiry = std::to_string(in_seconds(now_() + limits::kWaitingCallLifetime));
  return fmt::format("{}.{}.{}", name, expiry, seal_of(name, expiry, subject));
}

std::variant<std::string, RequestStates::Refused> RequestStates::open(
    std::string_view state, const Subject& subject) const {
  const std::size_t first = state.find('.');
  const std::size_t second = first == std::string_view::npos ? first : state.find('.', first + 1);
  if (state.size() > kMaximumStateBytes || second == std::string_view::npos) {
    return Refused{"it is not one that this server has given"};
  }
  const std::string_view name = state.substr(0, first);
  const std::string_view expiry = state.substr(first + 1, second - first - 1);
  if (!same_in_constant_time(state.substr(second + 1), seal_of(name, expiry, subject))) {
    return Refused{
        "it is not one that this server has given, it was changed, or it was given for a call with "
        "another tool or other arguments"};
  }
  std::int64_t until = 0;
  std::from_chars(expiry.data(), expiry.data() + expiry.size(), until);
  if (in_seconds(now_()) > until) return Refused{"its time is over"};
  return std::string(name);
}

}  // namespace pyember::mcp

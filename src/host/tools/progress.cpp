#include "host/tools/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"

namespace pyember::host {

namespace {

constexpr std::uint64_t kNsPerMs = 1'000'000;
constexpr auto kPeriodNs = static_cast<std::uint64_t>(limits::kProgressPeriod.count()) * kNsPerMs;
constexpr auto kKeepAliveNs =
    static_cast<std::uint64_t>(limits::kKeepAlivePeriod.count()) * kNsPerMs;
static_assert(limits::kKeepAlivePeriod < std::chrono::seconds(10));

}  // namespace

ProgressTicker::ProgressTicker(EventLoop& loop, std::function<bool()> congested)
    : congested_(std::move(congested)), timer_(loop, [this] { tick(); }) {}

void ProgressTicker::add(ProgressFeed& feed) {
  feeds_.push_back(&feed);
  if (!timer_.active()) timer_.start(limits::kProgressPeriod, limits::kProgressPeriod);
}

void ProgressTicker::remove(ProgressFeed& feed) {
  std::erase(feeds_, &feed);
  if (feeds_.empty()) timer_.stop();
}

void ProgressTicker::tick() {
  if (congested_()) return;
  const std::uint64_t now = now_ns();
  for (ProgressFeed* feed : feeds_) feed->tick(now);
}

ProgressFeed::ProgressFeed(ProgressTicker& ticker, std::shared_ptr<mcp::ToolCall> call)
    : ticker_(ticker), call_(std::move(call)), started_ns_(now_ns()), sent_ns_(started_ns_) {
  ticker_.add(*this);
}

ProgressFeed::~ProgressFeed() { ticker_.remove(*this); }

void ProgressFeed::output(std::string_view bytes) {
  waiting_.append(bytes);
  if (waiting_.size() > 2 * limits::kProgressMessageBytes) {
    const std::size_t over = waiting_.size() - limits::kProgressMessageBytes;
    left_out_ += over;
    waiting_.erase(0, over);
  }
  const std::uint64_t now = now_ns();
  if (now - sent_ns_ >= kPeriodNs && !ticker_.congested_()) send(now);
}

void ProgressFeed::flush() {
  if (!waiting_.empty() && !ticker_.congested_()) send(now_ns());
}

void ProgressFeed::tick(std::uint64_t now) {
  if (waiting_.empty() ? now - sent_ns_ >= kKeepAliveNs : now - sent_ns_ >= kPeriodNs / 2) {
    send(now);
  }
}

void ProgressFeed::send(std::uint64_t now) {
  const double seconds = static_cast<double>(now - started_ns_) / 1e9;
  std::string message;
  if (waiting_.empty()) {
    message = fmt::format("running for {:.0f} s", seconds);
  } else {
    if (left_out_ > 0) message = fmt::format("[... {} bytes not shown here ...]\n", left_out_);
    // A character whose end has not come yet waits for it.
    const std::size_t whole = waiting_.size() - utf8::incomplete_suffix(waiting_);
    message.append(waiting_, 0, whole == 0 ? waiting_.size() : whole);
    waiting_.erase(0, whole == 0 ? waiting_.size() : whole);
    left_out_ = 0;
  }
  sent_ns_ = now;
  call_->progress(seconds, std::nullopt, message);
}

}  // namespace pyember::host

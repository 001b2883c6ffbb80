#include "mcp/waiting_calls.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"

namespace pyember::mcp {

void WaitingCalls::give_up_late(Time now) {
  std::vector<std::unique_ptr<WaitingCall>> late;
  for (auto& each : calls_) {
    if (each->until < now) late.push_back(std::move(each));
  }
  std::erase(calls_, nullptr);
  for (const auto& each : late) {
    if (each->call != nullptr) each->call->cancel();
  }
}

bool WaitingCalls::make_room(Time now) {
  give_up_late(now);
  if (calls_.size() < limits::kWaitingCalls) return true;
  const auto answered = std::find_if(calls_.begin(), calls_.end(),
                                     [](const auto& each) { return each->call == nullptr; });
  if (answered == calls_.end()) return false;
  calls_.erase(answered);
  return true;
}

void WaitingCalls::add(std::unique_ptr<WaitingCall> call) { calls_.push_back(std::move(call)); }

WaitingCall* WaitingCalls::find(std::string_view state) {
  const auto found = std::find_if(calls_.begin(), calls_.end(),
                                  [state](const auto& each) { return each->state == state; });
  return found == calls_.end() ? nullptr : found->get();
}

std::unique_ptr<WaitingCall> WaitingCalls::take(const WaitingCall& call) {
  const auto found = std::find_if(calls_.begin(), calls_.end(),
                                  [&call](const auto& each) { return each.get() == &call; });
  if (found == calls_.end()) return nullptr;
  auto taken = std::move(*found);
  calls_.erase(found);
  return taken;
}

// What they do when they are told may look here: it finds nothing.
void WaitingCalls::cancel_all() {
  for (const auto& waiting : std::exchange(calls_, {})) {
    if (waiting->call != nullptr) waiting->call->cancel();
  }
}

std::size_t WaitingCalls::running() const {
  return static_cast<std::size_t>(std::count_if(
      calls_.begin(), calls_.end(), [](const auto& each) { return each->call != nullptr; }));
}

void WaitingCalls::add_lost(std::string state) {
  if (lost_.size() < limits::kWaitingCalls) lost_.insert(std::move(state));
}

void WaitingCalls::for_each_state(const std::function<void(const std::string&)>& visit) const {
  for (const auto& waiting : calls_) visit(waiting->state);
  for (const std::string& state : lost_) visit(state);
}

}  // namespace pyember::mcp

#include "host/workers/worker_groups.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <vector>

#include "host/loop/pool_work.h"

namespace pyember::host {

namespace {

constexpr const char* kPrefix = "pyember-worker-";
// The limit of setrlimit, which ends in a MemoryError, is to be met first: that counts from what
// the worker has mapped when it begins, and this from nothing.
constexpr std::uint64_t kOwnBytes = 32 << 20;

// A container's runtime cleans up after it, in the group that it was started in.
constexpr std::chrono::seconds kPatience{5};
constexpr useconds_t kLookPeriodUs = 5000;

std::atomic<std::uint64_t> made{0};

using Controller = ControlGroup::Controller;
using Groups = std::vector<std::unique_ptr<ControlGroup>>;

void remove_when_empty(Groups& groups) {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (std::erase_if(groups, [](auto& each) { return each->remove(); }), !groups.empty()) {
    if (std::chrono::steady_clock::now() > give_up) return;
    usleep(kLookPeriodUs);
  }
}

}  // namespace

WorkerGroups::WorkerGroups(EventLoop& loop, const WorkerLimits& limits) : loop_(loop) {
  if (!limits.memory_bytes && !limits.processes) return;
  if (made == 0) remove_left_over();
  const std::string name = fmt::format("{}{}-{}", kPrefix, getpid(), ++made);
  if (limits.memory_bytes) {
    memory_ = ControlGroup::make(Controller::Memory, *limits.memory_bytes + kOwnBytes, name);
  }
  // The worker itself is one.
  if (limits.processes) {
    processes_ = ControlGroup::make(Controller::Processes, *limits.processes + 1, name);
  }
}

WorkerGroups::~WorkerGroups() {
  // Shared by the copies of a function; the last one waits for the worker's end.
  const auto left = std::make_shared<Groups>();
  for (auto* group : {&memory_, &processes_}) {
    if (*group && !(*group)->remove()) left->push_back(std::move(*group));
  }
  if (left->empty()) return;
  run_in_pool(
      loop_, [left] { remove_when_empty(*left); }, nullptr);
}

bool WorkerGroups::remove_left_over() {
  const bool memory = ControlGroup::remove_left_over(Controller::Memory, kPrefix);
  const bool processes = ControlGroup::remove_left_over(Controller::Processes, kPrefix);
  return memory && processes;
}

}  // namespace pyember::host

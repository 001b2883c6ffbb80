#include "base/thread_affinity.h"

#include <atomic>

#include "base/limits.h"

#ifdef __linux__
#include <dirent.h>
#include <sched.h>

#include <cstdlib>
#include <string>
#endif

namespace pyember {

#ifdef __linux__

namespace {

// The CPUs the process was given. Written once, by the first HomeCpu, before threads exist.
cpu_set_t original_cpus;
std::atomic<bool> original_known{false};

// How often a thread released itself; HomeCpu then no longer trusts what it remembers.
std::atomic<std::uint64_t> self_releases{0};

bool set_cpus(pid_t tid, const cpu_set_t& cpus) noexcept {
  return sched_setaffinity(tid, sizeof cpus, &cpus) == 0;
}

bool set_cpu(pid_t tid, int cpu) noexcept {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  return set_cpus(tid, one);
}

}  // namespace

HomeCpu::HomeCpu() {
  if (!original_known.load(std::memory_order_acquire)) {
    if (sched_getaffinity(0, sizeof original_cpus, &original_cpus) != 0) return;
    original_known.store(true, std::memory_order_release);
  }
  cpu_count_ = static_cast<std::size_t>(CPU_COUNT(&original_cpus));
  enabled_ = cpu_count_ > 1;
}

HomeCpu::~HomeCpu() { release_loop(); }

void HomeCpu::dispatch(HomeThread& thread, pid_t tid, std::uint64_t now_ns) {
  if (!enabled_ || tid <= 0) return;
  const std::uint64_t releases = self_releases.load(std::memory_order_relaxed);
  if (releases != seen_releases_) {
    seen_releases_ = releases;
    ++epoch_;
  }
  constexpr std::uint64_t kPeriod =
      std::chrono::duration_cast<std::chrono::nanoseconds>(limits::kHomeCpuPeriod).count();
  if (home_ >= 0 && now_ns - chosen_at_ns_ > kPeriod) {
    // For one turn the scheduler may put the loop where its client is; the next dispatch stays
    // there.
    release_loop();
    return;
  }
  if (home_ < 0) {
    const int here = sched_getcpu();
    if (here < 0 || !set_cpu(0, here)) {
      enabled_ = false;
      return;
    }
    home_ = here;
    chosen_at_ns_ = now_ns;
  }
  if (thread.cpu == home_ && thread.epoch == epoch_) return;
  if (!set_cpu(tid, home_)) return;
  thread.cpu = home_;
  thread.epoch = epoch_;
}

void HomeCpu::spread(HomeThread& thread, pid_t tid, std::size_t busy) {
  if (!enabled_ || tid <= 0) return;
  thread.cpu = -1;
  if (home_ >= 0) {
    cpu_set_t others = original_cpus;
    CPU_CLR(home_, &others);
    // Moves it at once: the kernel migrates a thread whose CPU left its mask.
    if (set_cpus(tid, others) && busy < cpu_count_) return;
  }
  set_cpus(tid, original_cpus);
}

void HomeCpu::release_loop() {
  if (home_ < 0) return;
  home_ = -1;
  set_cpus(0, original_cpus);
}

void release_this_thread_to_all_cpus() noexcept {
  if (!original_known.load(std::memory_order_acquire)) return;
  set_cpus(0, original_cpus);
  self_releases.fetch_add(1, std::memory_order_relaxed);
}

void release_process_to_all_cpus(pid_t pid) noexcept {
  if (pid <= 0 || !original_known.load(std::memory_order_acquire)) return;
  const std::string folder = "/proc/" + std::to_string(pid) + "/task";
  DIR* tasks = opendir(folder.c_str());
  if (tasks == nullptr) return;
  while (const dirent* entry = readdir(tasks)) {
    const int tid = std::atoi(entry->d_name);
    if (tid > 0) set_cpus(tid, original_cpus);
  }
  closedir(tasks);
  self_releases.fetch_add(1, std::memory_order_relaxed);
}

#else

HomeCpu::HomeCpu() = default;
HomeCpu::~HomeCpu() = default;
void HomeCpu::dispatch(HomeThread&, pid_t, std::uint64_t) {}
void HomeCpu::spread(HomeThread&, pid_t, std::size_t) {}
void HomeCpu::release_loop() {}
void release_this_thread_to_all_cpus() noexcept {}
void release_process_to_all_cpus(pid_t) noexcept {}

#endif

}  // namespace pyember

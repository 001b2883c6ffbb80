#include "runner/enclosure.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "base/file_io.h"
#include "base/limits.h"
#include "base/small_file.h"
#include "runner/clock.h"
#include "runner/identity.h"
#include "runner/run.h"

namespace pyember::runner {
namespace {

constexpr std::string_view kRunner = "{runner}";
constexpr std::string_view kOwner = "{owner}";
constexpr std::size_t kLongestReport = 256;

// As the server writes it (container_orphans.cpp).
std::string owner_text() {
  struct stat space {};
  stat("/proc/self/ns/pid", &space);
  return std::to_string(geteuid()) + "." + std::to_string(getpid()) + "." +
         std::to_string(start_ticks()) + "." + std::to_string(space.st_ino) + "." + boot_id();
}

void replace(std::string& word, std::string_view what, const std::string& by) {
  const std::size_t at = word.find(what);
  if (at != std::string::npos) word.replace(at, what.size(), by);
}

timeval in_timeval(double seconds) {
  timeval found{};
  found.tv_sec = static_cast<time_t>(seconds);
  found.tv_usec = static_cast<suseconds_t>((seconds - std::floor(seconds)) * 1e6);
  return found;
}

}  // namespace

Enclosure::Enclosure(Options& options)
    : name_(std::to_string(getpid()) + "-" + std::to_string(start_ticks())), owner_(owner_text()) {
  std::size_t count = 0;
  while (options.command[count] != nullptr) ++count;
  words_.reserve(options.enclosure_words + options.afterwards.size());
  for (std::size_t i = 0; i < count; ++i) {
    if (i >= options.enclosure_words) {
      command_.push_back(options.command[i]);
      continue;
    }
    command_.push_back(words_.emplace_back(named(options.command[i])).data());
  }
  command_.push_back(nullptr);
  options.command = command_.data();
  for (const char* word : options.afterwards) {
    afterwards_.push_back(words_.emplace_back(named(word)).data());
  }
  afterwards_.push_back(nullptr);
  if (!options.report.empty()) {
    // Emptied: a run before this one may have left its own.
    report_ = UniqueFd(open(options.report.c_str(), O_RDWR | O_TRUNC | O_CLOEXEC));
  }
}

std::string Enclosure::named(const char* word) const {
  std::string found = word;
  replace(found, kRunner, name_);
  replace(found, kOwner, owner_);
  return found;
}

void Enclosure::clear_away() const {
  if (!clears_away()) return;
  const pid_t child = fork();
  if (child == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execve(afterwards_[0], afterwards_.data(), environ);
    _exit(127);
  }
  const std::int64_t give_up = monotonic_ns() + nanoseconds(limits::kClearAwayDeadline);
  while (child > 0 && waitpid(child, nullptr, WNOHANG) == 0) {
    if (monotonic_ns() > give_up) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
      return;
    }
    usleep(5000);
  }
}

void Enclosure::account(Ending& ending) const {
  if (!report_) return;
  const std::string text = read_at(report_.get(), 0, kLongestReport);
  double wall = 0;
  double user = 0;
  double system = 0;
  unsigned long long peak = 0;
  char limit[16] = "";
  if (std::sscanf(text.c_str(), "%lf %lf %lf %llu %15s", &wall, &user, &system, &peak, limit) !=
      5) {
    return;
  }
  // It comes from where the program is: what can't be is not believed.
  const double longest = to_seconds(ending.ended_ns - ending.started_ns);
  if (!(wall >= 0 && wall <= longest && user >= 0 && system >= 0) ||
      user + system > longest * static_cast<double>(sysconf(_SC_NPROCESSORS_CONF)) + 1) {
    return;
  }
  ending.started_at_ns +=
      ending.ended_ns - ending.started_ns - static_cast<std::int64_t>(wall * 1e9);
  ending.started_ns = ending.ended_ns - static_cast<std::int64_t>(wall * 1e9);
  ending.usage.ru_utime = in_timeval(user);
  ending.usage.ru_stime = in_timeval(system);
  ending.queued_ns = 0;
  ending.largest_process_bytes = peak;
  for (const char* known : {"memory", "cpu"}) {
    if (std::strcmp(limit, known) == 0) ending.limit = known;
  }
}

}  // namespace pyember::runner

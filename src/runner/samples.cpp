#include "runner/samples.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <limits>

#include "base/limits.h"
#include "runner/clock.h"
#include "runner/process_tree.h"
#include "base/small_file.h"

namespace pyember::runner {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kPendingBytes = 4096;
constexpr std::int64_t kWritePeriod = 1'000'000'000;

bool contains(const std::vector<pid_t>& pids, pid_t pid) {
  return std::find(pids.begin(), pids.end(), pid) != pids.end();
}

}  // namespace

Samples::Samples(const JobFolder& folder, std::int64_t interval_ns, std::int64_t start_ns,
                 std::size_t maximum_lines)
    : folder_(folder),
      interval_ns_(interval_ns),
      start_ns_(start_ns),
      written_ns_(start_ns),
      maximum_lines_(maximum_lines) {
  if (interval_ns_ > 0) file_ = folder_.create("samples");
  // A run shorter than the interval has a curve too.
  due_ns_ = file_ ? start_ns + std::min(interval_ns_, nanoseconds(limits::kFirstSample)) : kNever;
}

Samples::~Samples() { write_out(); }

void Samples::take(std::int64_t now_ns) {
  find_processes();
  char line[64];
  const int length = std::snprintf(line, sizeof line, "%.6f %llu\n", to_seconds(now_ns - start_ns_),
                                   static_cast<unsigned long long>(resident_bytes()));
  pending_.append(line, static_cast<std::size_t>(length));
  ++lines_;
  if (pending_.size() >= kPendingBytes || now_ns - written_ns_ >= kWritePeriod) {
    write_out();
    written_ns_ = now_ns;
  }
  if (lines_ >= maximum_lines_) thin_out();
  // On the grid of the interval: neither drift nor a burst after a pause.
  due_ns_ = start_ns_ + ((now_ns - start_ns_) / interval_ns_ + 1) * interval_ns_;
}

void Samples::find_processes() {
  const std::string load = read_small_file("/proc/loadavg", 128);
  const std::string last_pid = load.substr(load.rfind(' ') + 1);
  if (last_pid == last_pid_ && !last_pid.empty()) return;
  last_pid_ = last_pid;

  std::vector<pid_t> listed = listed_pids();
  std::vector<Process> fresh;
  for (const pid_t pid : listed) {
    if (!std::binary_search(seen_.begin(), seen_.end(), pid)) fresh.push_back(read_process(pid));
  }
  std::erase_if(members_,
                [&](pid_t pid) { return !std::binary_search(listed.begin(), listed.end(), pid); });
  const pid_t self = getpid();
  for (bool grew = true; grew;) {
    grew = false;
    for (Process& process : fresh) {
      if (process.pid == 0 || !(process.parent == self || contains(members_, process.parent))) {
        continue;
      }
      members_.push_back(process.pid);
      process.pid = 0;
      grew = true;
    }
  }
  seen_ = std::move(listed);
}

std::uint64_t Samples::resident_bytes() {
  static const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  std::uint64_t pages = 0;
  for (const pid_t pid : members_) {
    const std::string path = "/proc/" + std::to_string(pid) + "/statm";
    unsigned long long resident = 0;
    if (std::sscanf(read_small_file(path.c_str(), 128).c_str(), "%*u %llu", &resident) == 1) {
      pages += resident;
    }
  }
  return pages * page;
}

void Samples::write_out() {
  if (file_ && !pending_.empty() && write(file_.get(), pending_.data(), pending_.size()) < 0) {
    file_.reset();  // a full disk: the curve ends here, the run does not
    due_ns_ = kNever;
  }
  pending_.clear();
}

void Samples::thin_out() {
  write_out();
  UniqueFd thin = folder_.create("samples.new");
  const UniqueFd old(openat(folder_.descriptor(), "samples", O_RDONLY | O_CLOEXEC));
  char block[16384];
  std::string kept;
  bool keep = false;
  for (ssize_t got = 0; (got = read(old.get(), block, sizeof block)) > 0;) {
    for (const char* each = block; each != block + got; ++each) {
      if (keep) kept += *each;
      if (*each == '\n') keep = !keep;
    }
    if (write(thin.get(), kept.data(), kept.size()) < 0) break;
    kept.clear();
  }
  if (folder_.replace("samples.new", "samples")) file_ = std::move(thin);
  lines_ /= 2;
  interval_ns_ *= 2;
}

}  // namespace pyember::runner

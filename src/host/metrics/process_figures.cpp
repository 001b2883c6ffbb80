#include "host/metrics/process_figures.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>

#include "base/small_file.h"

namespace pyember::host {

namespace {

double in_seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::uint64_t count_descriptors() {
  std::error_code failed;
  const std::filesystem::directory_iterator listing("/proc/self/fd", failed);
  if (failed) return 0;
  std::uint64_t count = 0;
  for (auto each = begin(listing); each != end(listing); each.increment(failed)) {
    if (failed) return 0;
    ++count;
  }
  return count > 0 ? count - 1 : 0;  // the listing has one itself
}

}  // namespace

ProcessFigures figures_of_process() {
  ProcessFigures figures;
  rusage used{};
  if (getrusage(RUSAGE_SELF, &used) == 0) {
    figures.cpu_seconds = in_seconds(used.ru_utime) + in_seconds(used.ru_stime);
  }
  std::istringstream sizes(read_small_file("/proc/self/statm"));
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  if (sizes >> all >> resident) {
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    figures.virtual_bytes = all * page;
    figures.resident_bytes = resident * page;
  }
  figures.open_descriptors = count_descriptors();
  rlimit descriptors{};
  if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0) figures.most_descriptors = descriptors.rlim_cur;
  return figures;
}

}  // namespace pyember::host

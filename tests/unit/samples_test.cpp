#include "runner/samples.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "runner/job_folder.h"
#include "support/catch.h"

namespace pyember::runner {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;

struct Folder {
  Folder() {
    char pattern[] = "/tmp/pyember-samples-XXXXXX";
    path = mkdtemp(pattern);
    REQUIRE(folder.open(path) == JobFolder::Opened::Yes);
  }
  ~Folder() { std::filesystem::remove_all(path); }

  std::vector<double> seconds() const {
    std::ifstream file(path + "/samples");
    std::vector<double> all;
    double at = 0;
    unsigned long long bytes = 0;
    while (file >> at >> bytes) all.push_back(at);
    return all;
  }

  std::string path;
  JobFolder folder;
};

// Lets time pass on `samples`' own schedule; returns how many were taken.
int pass(Samples& samples, std::int64_t until_ns) {
  int taken = 0;
  for (; samples.due_ns() <= until_ns; ++taken) samples.take(samples.due_ns());
  return taken;
}

TEST_CASE("Samples: a curve that grows too long is thinned out over its whole length") {
  const Folder job;
  {
    Samples samples(job.folder, 20 * kMillisecond, 0, 100);
    // 10 ms, then every 20 ms; from the 100th on every 40, and so on.
    CHECK(pass(samples, 1980 * kMillisecond) == 100);
    pass(samples, 10'000 * kMillisecond);
  }
  const std::vector<double> seconds = job.seconds();
  CHECK(seconds.size() >= 50);
  CHECK(seconds.size() < 100);
  CHECK(seconds.front() < 0.5);
  CHECK(seconds.back() > 9.7);
  for (std::size_t i = 1; i < seconds.size(); ++i) {
    CHECK(seconds[i] - seconds[i - 1] > 0.05);  // evenly, not dense at one end
    CHECK(seconds[i] - seconds[i - 1] < 0.35);
  }
  CHECK_FALSE(std::filesystem::exists(job.path + "/samples.new"));
}

TEST_CASE("Samples: a late look is one sample, not one for each that was missed") {
  const Folder job;
  {
    Samples samples(job.folder, 20 * kMillisecond, 0);
    samples.take(905 * kMillisecond);
    CHECK(samples.due_ns() == 920 * kMillisecond);
  }
  CHECK(job.seconds() == std::vector<double>{0.905});
}

TEST_CASE("Samples: an interval of 0 takes none and makes no file") {
  const Folder job;
  const Samples samples(job.folder, 0, 0);
  CHECK(samples.due_ns() > std::int64_t{1} << 62);
  CHECK_FALSE(std::filesystem::exists(job.path + "/samples"));
}

}  // namespace
}  // namespace pyember::runner

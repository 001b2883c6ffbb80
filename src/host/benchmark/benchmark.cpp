#include "host/benchmark/benchmark.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

namespace pyember::host {

namespace {

bool is_fine(const RunEnd& end) {
  return end.exit_code == 0 && !end.timed_out && !end.cancelled && end.error.empty();
}

Measurement measurement_of(const RunEnd& end) {
  return {end.wall_seconds, end.cpu_seconds, end.queued_seconds, end.peak_bytes};
}

RunEnd not_started(std::string why) {
  RunEnd end;
  end.exit_code = 127;
  end.error = std::move(why);
  end.error_kind = "internal";
  return end;
}

// A script behind a boundary can't reach the folder: it gets the file as a descriptor. It may be
// another user, and nobody else comes that far.
std::string pass_profile(const std::string& folder, RunSpec& spec) {
  constexpr int kNumber = 12;
  auto file = std::make_shared<Descriptor>(
      open((folder + "/profile").c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (fchmod(file->get(), 0666) != 0) return "/dev/null";
  spec.passed.push_back({kNumber, std::move(file), true});
  return fmt::format("/proc/self/fd/{}", kNumber);
}

}  // namespace

Benchmark::Benchmark(Settings settings, std::unique_ptr<RunStarter> starter, Done done,
                     Progressed progressed)
    : settings_(std::move(settings)),
      starter_(std::move(starter)),
      done_(std::move(done)),
      progressed_(std::move(progressed)),
      plan_(settings_.plan) {}

Benchmark::~Benchmark() {
  starter_.reset();  // before the files of a run that goes on
  std::error_code ignored;
  if (!settings_.folder.empty()) std::filesystem::remove_all(settings_.folder, ignored);
}

void Benchmark::start() {
  started_ns_ = now_ns();
  go_on();
}

void Benchmark::cancel() {
  cancelled_ = true;
  starter_->stop();
}

std::optional<std::chrono::duration<double>> Benchmark::left() const {
  if (settings_.deadline_ns == 0) return std::nullopt;
  const std::uint64_t now = now_ns();
  const std::uint64_t remaining = settings_.deadline_ns > now ? settings_.deadline_ns - now : 0;
  return std::chrono::nanoseconds(remaining);
}

void Benchmark::go_on() {
  const std::optional<PlannedRun> run = plan_.next(left());
  if (!run) {
    outcome_.fine = true;
    return finish();
  }
  const std::string folder = fmt::format("{}/{}", settings_.folder, ++runs_);
  if (mkdir(folder.c_str(), 0700) != 0) {
    outcome_.last = not_started(
        fmt::format("The run was not started: no folder could be made for it at {} ({}). Make room "
                    "there, or set TMPDIR to another place.",
                    folder, std::strerror(errno)));
    return finish();
  }
  current_folder_ = folder;
  starter_->start(spec_for(*run, folder), folder,
                  [this, run = *run, folder](const RunEnd& end) { run_ended(run, folder, end); });
}

RunSpec Benchmark::spec_for(const PlannedRun& run, const std::string& folder) const {
  RunSpec spec = run.side == Side::Candidate ? *settings_.candidate : settings_.baseline;
  spec.sample_interval.reset();
  if (run.sampled) spec.sample_interval = settings_.sample_interval;
  if (run.purpose == Purpose::Profile) {
    std::vector<std::string> between = settings_.profiler;
    between.push_back(spec.enclosure.empty() ? folder + "/profile" : pass_profile(folder, spec));
    between.insert(between.end(), settings_.profiler_arguments.begin(),
                   settings_.profiler_arguments.end());
    spec.command.insert(spec.command.begin() + 1, between.begin(), between.end());
  }
  if (const auto remaining = left()) {
    const auto whole = std::chrono::duration_cast<std::chrono::milliseconds>(*remaining);
    spec.timeout = std::max(whole, std::chrono::milliseconds(1));
  }
  return spec;
}

void Benchmark::run_ended(const PlannedRun& run, const std::string& folder, const RunEnd& end) {
  current_folder_.clear();
  const bool fine = is_fine(end);
  // A profiled run beside measured ones may go wrong by itself; alone, it is what is answered.
  const bool alone = settings_.plan.repeat == 0u;
  const bool profiled = run.purpose == Purpose::Profile;
  keep_files(run, folder, fine);
  if (profiled) outcome_.profile_end = end;
  if (!profiled || alone) {
    outcome_.last = end;
    outcome_.last_side = run.side;
    if (run.purpose == Purpose::Measured) outcome_.peak_source = end.peak_source;
  }
  if (fine || profiled) plan_.record(run, measurement_of(end));
  if (progressed_) progressed_(plan_.runs_over(), plan_.runs_expected());
  if ((!fine && (!profiled || alone)) || cancelled_) {
    outcome_.last.cancelled = outcome_.last.cancelled || cancelled_;
    return finish();
  }
  go_on();
}

// Files that nobody will ask for are removed at once: sixty runs may have printed a lot.
void Benchmark::keep_files(const PlannedRun& run, const std::string& folder, bool fine) {
  bool kept = false;
  const bool looks_in = run.purpose == Purpose::Profile;
  std::string& output =
      run.side == Side::Baseline ? outcome_.output_folder : outcome_.candidate_folder;
  if (run.sampled) {
    outcome_.samples_path = folder + "/samples";
    kept = true;
  }
  if (looks_in) {
    outcome_.profile_path = folder + "/profile";
    kept = true;
  }
  if (output.empty() || (!looks_in && !fine)) {
    output = folder;
    kept = true;
  }
  if (!fine && run.side == Side::Candidate && !looks_in) outcome_.output_folder = folder;
  std::error_code ignored;
  if (!kept) std::filesystem::remove_all(folder, ignored);
}

void Benchmark::finish() {
  outcome_.seconds = static_cast<double>(now_ns() - started_ns_) / 1e9;
  const Done done = std::exchange(done_, nullptr);
  if (done) done(outcome_);  // may destroy this
}

}  // namespace pyember::host

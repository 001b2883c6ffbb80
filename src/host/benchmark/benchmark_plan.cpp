#include "host/benchmark/benchmark_plan.h"

#include <algorithm>

namespace pyember::host {

namespace {

std::size_t at(Side side) { return static_cast<std::size_t>(side); }

bool many(const BenchmarkSettings& settings) {
  return settings.compare || settings.repeat.value_or(1) > 1;
}

}  // namespace

BenchmarkPlan::BenchmarkPlan(const BenchmarkSettings& settings)
    : settings_(settings), warmup_(settings.warmup.value_or(many(settings) ? 1 : 0)) {
  // Where there is only one run it is the one that is sampled.
  if (!settings_.curve || (!many(settings_) && warmup_ == 0)) curve_done_ = true;
}

std::optional<PlannedRun> BenchmarkPlan::next(std::optional<std::chrono::duration<double>> left) {
  if (const auto warmup = next_warmup()) return warmup;
  if (!curve_done_) return PlannedRun{Side::Baseline, Purpose::Curve, true};
  if (const auto measured = next_measured(left)) return measured;
  if (settings_.profile && !profile_done_)
    return PlannedRun{Side::Baseline, Purpose::Profile, false};
  return std::nullopt;
}

std::optional<PlannedRun> BenchmarkPlan::next_warmup() {
  for (const Side side : {Side::Baseline, Side::Candidate}) {
    if (side == Side::Candidate && !settings_.compare) break;
    if (warmed_[at(side)] >= warmup_) continue;
    const bool sampled = !curve_done_ && side == Side::Baseline;
    return PlannedRun{side, Purpose::WarmUp, sampled};
  }
  return std::nullopt;
}

std::optional<PlannedRun> BenchmarkPlan::next_measured(
    std::optional<std::chrono::duration<double>> left) {
  const std::vector<Measurement>& baseline = measured_[at(Side::Baseline)];
  const std::vector<Measurement>& candidate = measured_[at(Side::Candidate)];
  if (!settings_.compare) {
    if (baseline.size() >= settings_.repeat.value_or(1)) return std::nullopt;
    return PlannedRun{Side::Baseline, Purpose::Measured,
                      settings_.curve && !many(settings_) && warmup_ == 0};
  }
  if (baseline.size() != candidate.size()) {  // the second of a pair
    const Side side = baseline.size() < candidate.size() ? Side::Baseline : Side::Candidate;
    return PlannedRun{side, Purpose::Measured, false};
  }
  if (enough()) return std::nullopt;
  if (left && !pairs_.empty() && expected_pair_seconds() > left->count()) {
    ended_early_ = true;
    return std::nullopt;
  }
  const Side first = candidate_first(pairs_.size()) ? Side::Candidate : Side::Baseline;
  return PlannedRun{first, Purpose::Measured, false};
}

bool BenchmarkPlan::enough() const {
  if (settings_.repeat) return pairs_.size() >= *settings_.repeat;
  return precise_enough(pairs_, settings_.rules);
}

// With room for a slow one and for the start of its processes.
double BenchmarkPlan::expected_pair_seconds() const {
  double longest = 0;
  for (const MeasuredPair& pair : pairs_) {
    longest = std::max(longest, pair.baseline.wall_seconds + pair.candidate.wall_seconds);
  }
  return 1.2 * longest + 0.1;
}

void BenchmarkPlan::record(const PlannedRun& run, const Measurement& measurement) {
  ++runs_over_;
  if (run.sampled) curve_done_ = true;
  switch (run.purpose) {
    case Purpose::WarmUp:
      ++warmed_[at(run.side)];
      break;
    case Purpose::Curve:
      break;
    case Purpose::Profile:
      profile_done_ = true;
      break;
    case Purpose::Measured: {
      measured_[at(run.side)].push_back(measurement);
      const std::vector<Measurement>& baseline = measured_[at(Side::Baseline)];
      const std::vector<Measurement>& candidate = measured_[at(Side::Candidate)];
      if (settings_.compare && baseline.size() == candidate.size()) {
        pairs_.push_back({baseline.back(), candidate.back()});
      }
      break;
    }
  }
}

const std::vector<Measurement>& BenchmarkPlan::measured(Side side) const {
  return measured_[at(side)];
}

std::size_t BenchmarkPlan::runs_expected() const {
  const std::size_t scripts = settings_.compare ? 2 : 1;
  std::size_t repeat = settings_.repeat.value_or(settings_.compare ? settings_.rules.pairs : 1);
  repeat = std::max(repeat, pairs_.size());
  const bool curve_apart = settings_.curve && many(settings_) && warmup_ == 0;
  const std::size_t expected =
      scripts * (warmup_ + repeat) + (curve_apart ? 1 : 0) + (settings_.profile ? 1 : 0);
  return std::max(expected, runs_over_);
}

}  // namespace pyember::host

#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include "host/benchmark/comparison.h"

namespace pyember::host {

enum class Side { Baseline, Candidate };

// What a run of a benchmark is for. Only Measured ones are counted: what looks into a run (samples,
// a profiler) changes it, so it gets a run of its own where there is more than one anyway.
enum class Purpose { WarmUp, Measured, Curve, Profile };

struct PlannedRun {
  Side side = Side::Baseline;
  Purpose purpose = Purpose::Measured;
  bool sampled = false;  // its memory is followed over time
};

struct BenchmarkSettings {
  std::optional<std::size_t> repeat;  // runs, or pairs of them; none: 1, or as many as it takes
  std::optional<std::size_t> warmup;  // of each script; none: 0 for a single run, else 1
  bool compare = false;
  bool profile = false;
  bool curve = true;
  ComparisonRules rules;
};

// Which run comes next, as a function of what was measured so far. Time is told by the caller, so
// that this can be tested without any.
class BenchmarkPlan {
 public:
  explicit BenchmarkPlan(const BenchmarkSettings& settings);

  // The next run, none: it is done. `left` is what remains of the time for all runs (none: no
  // limit). A comparison ends early rather than being cut off in the middle of a pair.
  std::optional<PlannedRun> next(std::optional<std::chrono::duration<double>> left);
  // The run that next() told is over, and was fine.
  void record(const PlannedRun& run, const Measurement& measurement);

  const std::vector<Measurement>& measured(Side side) const;
  const std::vector<MeasuredPair>& pairs() const { return pairs_; }
  std::size_t warmups() const { return warmup_; }
  bool ended_early() const { return ended_early_; }
  // Progress for people: runs that are over, and how many there will be as far as is known.
  std::size_t runs_over() const { return runs_over_; }
  std::size_t runs_expected() const;

 private:
  std::optional<PlannedRun> next_warmup();
  std::optional<PlannedRun> next_measured(std::optional<std::chrono::duration<double>> left);
  bool enough() const;
  double expected_pair_seconds() const;

  const BenchmarkSettings settings_;
  const std::size_t warmup_;
  std::size_t warmed_[2] = {0, 0};
  std::vector<Measurement> measured_[2];
  std::vector<MeasuredPair> pairs_;
  std::size_t runs_over_ = 0;
  bool curve_done_ = false;
  bool profile_done_ = false;
  bool ended_early_ = false;
};

}  // namespace pyember::host

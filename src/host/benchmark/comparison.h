#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "host/benchmark/statistics.h"

namespace pyember::host {

// What the kernel said of one run.
struct Measurement {
  double wall_seconds = 0;
  double cpu_seconds = 0;     // user + system
  double queued_seconds = 0;  // of wall time: ready to run, with no CPU free; 0: not known
  std::uint64_t peak_bytes = 0;
};

// Two scripts, run one right after the other.
struct MeasuredPair {
  Measurement baseline;
  Measurement candidate;
};

enum class Verdict { Faster, Slower, NoDifference };
enum class Quantity { CpuTime, WallTime };

const char* to_string(Verdict verdict);    // "faster", "slower", "no difference"
const char* to_string(Quantity quantity);  // "cpu_time", "wall_time"

struct RatioEstimate {
  double ratio = 1;  // candidate over baseline
  Interval interval;
  Verdict verdict = Verdict::NoDifference;  // of the candidate
};

struct Comparison {
  Quantity decided_by = Quantity::CpuTime;
  RatioEstimate cpu;
  RatioEstimate wall;
  std::size_t pairs = 0;
  std::string note;  // what keeps the verdict from meaning much; empty: nothing

  const RatioEstimate& deciding() const { return decided_by == Quantity::CpuTime ? cpu : wall; }
};

// How a comparison is kept honest on a machine that others use too:
//
// - Pairs: the two scripts run one after the other, and only the ratio within a pair counts. What
//   is slow for both (another load, a lower clock) cancels out.
// - Order: who goes first follows the Thue-Morse sequence (ABBA BAAB …), so that neither a drift
//   nor a period favours one of them.
// - CPU time decides for scripts that compute: waiting for a CPU is not in it. Scripts that wait,
//   or that compute on several CPUs, are decided by wall time. Both are always told.
// - The estimate is the interquartile mean of the logarithms of the ratios.
// - A difference is told when the whole 99 % interval lies beyond `margin`. Smaller ones exist
//   (where code lies in memory is worth a percent) and mean nothing.
// - The number of pairs grows until the interval is narrow, whatever it says: stopping when there
//   is a difference would find one sooner or later in anything.
struct ComparisonRules {
  std::size_t least_pairs = 10;  // fewer: no verdict
  std::size_t pairs = 20;        // to begin with
  std::size_t most_pairs = 60;
  double narrow_enough = 0.04;  // half the width of the interval, relative
  double margin = 0.01;
  double computing_share = 0.7;  // of the wall time not spent queueing that is CPU time
  double parallel_share = 1.2;
  Bootstrap bootstrap;
};

// True when the candidate goes first in this pair.
bool candidate_first(std::size_t pair);

Comparison compare(const std::vector<MeasuredPair>& pairs, const ComparisonRules& rules = {});

// True when another pair would not be worth its time.
bool precise_enough(const std::vector<MeasuredPair>& pairs, const ComparisonRules& rules = {});

}  // namespace pyember::host

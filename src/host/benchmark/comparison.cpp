#include "host/benchmark/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace pyember::host {

namespace {

// Clocks that say 0 would make a ratio of nothing.
constexpr double kShortestSeconds = 1e-6;

using Seconds = double Measurement::*;

Seconds seconds_of(Quantity quantity) {
  return quantity == Quantity::CpuTime ? &Measurement::cpu_seconds : &Measurement::wall_seconds;
}

std::vector<double> log_ratios(const std::vector<MeasuredPair>& pairs, Quantity quantity) {
  const Seconds seconds = seconds_of(quantity);
  std::vector<double> ratios;
  ratios.reserve(pairs.size());
  for (const MeasuredPair& pair : pairs) {
    ratios.push_back(std::log(std::max(pair.candidate.*seconds, kShortestSeconds) /
                              std::max(pair.baseline.*seconds, kShortestSeconds)));
  }
  return ratios;
}

double midmean(std::vector<double>& values) { return interquartile_mean(values); }

Verdict judge(const Interval& interval, std::size_t pairs, const ComparisonRules& rules) {
  if (pairs < rules.least_pairs) return Verdict::NoDifference;
  if (interval.low > 1 + rules.margin) return Verdict::Slower;
  if (interval.high < 1 / (1 + rules.margin)) return Verdict::Faster;
  return Verdict::NoDifference;
}

RatioEstimate estimate(const std::vector<MeasuredPair>& pairs, Quantity quantity,
                       const ComparisonRules& rules) {
  const std::vector<double> ratios = log_ratios(pairs, quantity);
  const Interval logarithms = bootstrap_interval(ratios, midmean, rules.bootstrap);
  RatioEstimate found;
  found.ratio = std::exp(interquartile_mean(ratios));
  found.interval = {std::exp(logarithms.low), std::exp(logarithms.high)};
  found.verdict = judge(found.interval, pairs.size(), rules);
  return found;
}

double relative_half_width(const RatioEstimate& estimate) {
  return estimate.interval.half_width() / estimate.ratio;
}

double cpu_share(const std::vector<MeasuredPair>& pairs, Measurement MeasuredPair::*side) {
  std::vector<double> shares;
  for (const MeasuredPair& pair : pairs) {
    const Measurement& run = pair.*side;
    const double own = std::max(run.wall_seconds - run.queued_seconds, kShortestSeconds);
    shares.push_back(run.cpu_seconds / own);
  }
  return median(std::move(shares));
}

Quantity deciding_quantity(const std::vector<MeasuredPair>& pairs, const ComparisonRules& rules) {
  for (const auto side : {&MeasuredPair::baseline, &MeasuredPair::candidate}) {
    const double share = cpu_share(pairs, side);
    if (share < rules.computing_share || share > rules.parallel_share) return Quantity::WallTime;
  }
  return Quantity::CpuTime;
}

}  // namespace

const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::Faster:
      return "faster";
    case Verdict::Slower:
      return "slower";
    case Verdict::NoDifference:
      return "no difference";
  }
  return "no difference";
}

const char* to_string(Quantity quantity) {
  return quantity == Quantity::CpuTime ? "cpu_time" : "wall_time";
}

bool candidate_first(std::size_t pair) { return std::popcount(pair) % 2 == 1; }

Comparison compare(const std::vector<MeasuredPair>& pairs, const ComparisonRules& rules) {
  Comparison comparison;
  comparison.pairs = pairs.size();
  if (pairs.empty()) {
    comparison.note = "no pair of runs was measured";
    return comparison;
  }
  comparison.cpu = estimate(pairs, Quantity::CpuTime, rules);
  comparison.wall = estimate(pairs, Quantity::WallTime, rules);
  comparison.decided_by = deciding_quantity(pairs, rules);
  if (pairs.size() < rules.least_pairs) {
    comparison.note = fmt::format("only {} pairs were measured; a verdict needs {}", pairs.size(),
                                  rules.least_pairs);
  } else if (relative_half_width(comparison.deciding()) > 2 * rules.narrow_enough) {
    comparison.note = "the machine is noisy: only large differences could have been found";
  }
  return comparison;
}

bool precise_enough(const std::vector<MeasuredPair>& pairs, const ComparisonRules& rules) {
  if (pairs.size() < rules.pairs) return false;
  if (pairs.size() >= rules.most_pairs) return true;
  const Quantity quantity = deciding_quantity(pairs, rules);
  return relative_half_width(estimate(pairs, quantity, rules)) <= rules.narrow_enough;
}

}  // namespace pyember::host

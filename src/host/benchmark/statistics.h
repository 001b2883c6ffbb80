#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace pyember::host {

// What repeated measurements say, without assuming that they are normal: on a shared machine the
// noise is one-sided, comes in bursts, and has outliers that means and standard deviations follow.
// Nothing is thrown away: every value counts through its rank.

struct Interval {
  double low = 0;
  double high = 0;
  double half_width() const { return (high - low) / 2; }
};

struct Summary {
  double median = 0;
  double spread = 0;  // median absolute deviation from the median
  double minimum = 0;
  double maximum = 0;
  Interval interval;  // of the median
};

// How the intervals of this file are found; told in every answer, so that they can be found again.
struct Bootstrap {
  std::uint64_t seed = 20'260'728;
  std::size_t resamples = 4000;
  double confidence = 0.99;
};

using Statistic = std::function<double(std::vector<double>& values)>;  // may reorder them

double median(std::vector<double> values);
// The mean of the middle half: nearly as robust as the median, with half its variance.
double interquartile_mean(std::vector<double> values);

// Percentile bootstrap, widened around the estimate for small samples by the ratio of Student's to
// the normal quantile: without it intervals of ten values are too narrow. A single value, which
// says nothing about its error, gets an interval of no width. The same values give the same
// interval, everywhere.
Interval bootstrap_interval(const std::vector<double>& values, const Statistic& statistic,
                            const Bootstrap& how = {});

Summary summarize(const std::vector<double>& values, const Bootstrap& how = {});

}  // namespace pyember::host

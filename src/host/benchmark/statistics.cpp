#include "host/benchmark/statistics.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace pyember::host {

namespace {

// splitmix64: small, and the same on every platform, which std's distributions are not.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  // Below `bound`, which is far below 2^32: the bias of the multiplication does not matter.
  std::size_t below(std::size_t bound) {
    return static_cast<std::size_t>(((next() >> 32) * static_cast<std::uint64_t>(bound)) >> 32);
  }

 private:
  std::uint64_t next() {
    std::uint64_t mixed = (state_ += 0x9e3779b97f4a7c15ULL);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
    return mixed ^ (mixed >> 31);
  }

  std::uint64_t state_;
};

double median_in_place(std::vector<double>& values) {
  CHECK(!values.empty());
  const std::size_t middle = values.size() / 2;
  const auto upper = values.begin() + static_cast<std::ptrdiff_t>(middle);
  std::nth_element(values.begin(), upper, values.end());
  if (values.size() % 2 == 1) return *upper;
  return (*std::max_element(values.begin(), upper) + *upper) / 2;
}

double interquartile_mean_in_place(std::vector<double>& values) {
  CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  const std::size_t cut = values.size() / 4;
  double sum = 0;
  for (std::size_t i = cut; i < values.size() - cut; ++i) sum += values[i];
  return sum / static_cast<double>(values.size() - 2 * cut);
}

// The normal quantile, by bisection of erfc: exact enough and needed once a comparison.
double normal_quantile(double probability) {
  double low = -10;
  double high = 10;
  for (int i = 0; i < 80; ++i) {
    const double middle = (low + high) / 2;
    const double below = 0.5 * std::erfc(-middle / std::sqrt(2.0));
    (below < probability ? low : high) = middle;
  }
  return (low + high) / 2;
}

// Student's quantile over the normal one, by the first two terms of its expansion.
double small_sample_factor(std::size_t count, double confidence) {
  const double z = normal_quantile(0.5 + confidence / 2);
  const double freedom = static_cast<double>(count) - 1;
  const double first = (z * z + 1) / (4 * freedom);
  const double second = (5 * std::pow(z, 4) + 16 * z * z + 3) / (96 * freedom * freedom);
  return 1 + first + second;
}

double at_fraction(const std::vector<double>& sorted, double fraction) {
  const double position = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = position - static_cast<double>(below);
  return sorted[below] * (1 - part) + sorted[above] * part;
}

}  // namespace

double median(std::vector<double> values) { return median_in_place(values); }

double interquartile_mean(std::vector<double> values) {
  return interquartile_mean_in_place(values);
}

Interval bootstrap_interval(const std::vector<double>& values, const Statistic& statistic,
                            const Bootstrap& how) {
  CHECK(!values.empty() && how.resamples > 0);
  std::vector<double> sample = values;
  const double estimate = statistic(sample);
  if (values.size() == 1) return {estimate, estimate};
  Random random(how.seed);
  std::vector<double> estimates;
  estimates.reserve(how.resamples);
  for (std::size_t i = 0; i < how.resamples; ++i) {
    for (double& value : sample) value = values[random.below(values.size())];
    estimates.push_back(statistic(sample));
  }
  std::sort(estimates.begin(), estimates.end());
  const double outside = (1 - how.confidence) / 2;
  const double factor = small_sample_factor(values.size(), how.confidence);
  return {estimate - factor * (estimate - at_fraction(estimates, outside)),
          estimate + factor * (at_fraction(estimates, 1 - outside) - estimate)};
}

Summary summarize(const std::vector<double>& values, const Bootstrap& how) {
  CHECK(!values.empty());
  Summary summary;
  summary.median = median(values);
  std::vector<double> distances;
  distances.reserve(values.size());
  for (const double value : values) distances.push_back(std::abs(value - summary.median));
  summary.spread = median_in_place(distances);
  summary.minimum = *std::min_element(values.begin(), values.end());
  summary.maximum = *std::max_element(values.begin(), values.end());
  summary.interval = bootstrap_interval(values, median_in_place, how);
  return summary;
}

}  // namespace pyember::host

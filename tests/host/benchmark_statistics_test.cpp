#include "host/benchmark/statistics.h"

#include <cmath>
#include <random>

#include "host/benchmark/comparison.h"
#include "host/recorded_noise.h"
#include "support/catch.h"

using namespace pyember::host;

namespace {

// A comparison as the benchmark makes one, fed from recorded runs of one script instead of new
// ones; the candidate's are made `factor` times as long.
Comparison compare_recorded(std::size_t first, double factor, const ComparisonRules& rules = {}) {
  const auto& noise = pyember::test::kRecordedCpuMilliseconds;
  std::vector<MeasuredPair> pairs;
  while (!precise_enough(pairs, rules)) {
    const double now = noise[(first + 2 * pairs.size()) % noise.size()] / 1000;
    const double then = noise[(first + 2 * pairs.size() + 1) % noise.size()] / 1000;
    const bool swapped = candidate_first(pairs.size());
    const double baseline = swapped ? then : now;
    const double candidate = (swapped ? now : then) * factor;
    pairs.push_back({{baseline, baseline, 0, 1}, {candidate, candidate, 0, 1}});
  }
  return compare(pairs, rules);
}

std::vector<double> repeated(std::size_t count, double first, double step) {
  std::vector<double> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(first + step * static_cast<double>(i));
  return values;
}

}  // namespace

TEST_CASE("Statistics: a summary is not moved by an outlier") {
  const Summary summary = summarize({1.0, 1.1, 0.9, 1.0, 50.0});
  CHECK(summary.median == Approx(1.0));
  CHECK(summary.spread == Approx(0.1));
  CHECK(summary.minimum == Approx(0.9));
  CHECK(summary.maximum == Approx(50.0));
}

TEST_CASE("Statistics: the median of an even number of values lies between the middle two") {
  CHECK(median({4, 1, 3, 2}) == Approx(2.5));
  CHECK(median({7}) == Approx(7));
}

TEST_CASE("Statistics: the interquartile mean leaves out a quarter at each end") {
  CHECK(interquartile_mean({-100, 1, 2, 3, 4, 5, 6, 100}) == Approx(3.5));
  CHECK(interquartile_mean({1, 3}) == Approx(2));
}

TEST_CASE("Statistics: the same values give the same interval, another seed another one") {
  const std::vector<double> values = repeated(25, 1, 0.013);
  const Summary once = summarize(values);
  const Summary again = summarize(values);
  CHECK(once.interval.low == again.interval.low);
  CHECK(once.interval.high == again.interval.high);
  Bootstrap other;
  other.seed = 1;
  other.resamples = 500;
  const Summary differently = summarize(values, other);
  CHECK((differently.interval.low != once.interval.low ||
         differently.interval.high != once.interval.high));
}

TEST_CASE("Statistics: an interval holds its estimate, and one value has none to speak of") {
  const Summary summary = summarize(repeated(20, 1, 0.1));
  CHECK(summary.interval.low < summary.median);
  CHECK(summary.interval.high > summary.median);
  const Summary single = summarize({2.0});
  CHECK(single.interval.low == 2.0);
  CHECK(single.interval.high == 2.0);
  CHECK(single.spread == 0.0);
}

TEST_CASE("Statistics: 99 % intervals of few values miss the truth about as rarely as they say") {
  std::mt19937_64 random(7);  // its sequence is fixed by the standard
  int missed = 0;
  Bootstrap how;
  how.resamples = 1000;
  for (int trial = 0; trial < 400; ++trial) {
    std::vector<double> values;
    for (int i = 0; i < 12; ++i) {
      double sum = 0;  // of twelve: near enough to normal, and the same everywhere
      for (int k = 0; k < 12; ++k) sum += static_cast<double>(random() >> 11) * 0x1p-53;
      values.push_back(sum - 6);
    }
    const Interval interval = bootstrap_interval(
        values, [](std::vector<double>& sample) { return interquartile_mean(sample); }, how);
    if (interval.low > 0 || interval.high < 0) ++missed;
  }
  CHECK(missed <= 10);
}

TEST_CASE("Comparison: the order of the pairs favours nobody, whatever the drift") {
  std::size_t candidates = 0;
  double drift = 0;  // of a machine that becomes slower linearly: candidate minus baseline
  for (std::size_t pair = 0; pair < 64; ++pair) {
    candidates += candidate_first(pair) ? 1 : 0;
    drift += candidate_first(pair) ? -1 : 1;
  }
  CHECK(candidates == 32);
  CHECK(drift == 0);
  CHECK_FALSE(candidate_first(0));
  CHECK(candidate_first(1));
  CHECK(candidate_first(2));
  CHECK_FALSE(candidate_first(3));
}

TEST_CASE("Comparison: a script beside itself is no different, on recorded noise") {
  int same = 0;
  for (std::size_t i = 0; i < 50; ++i) {
    same += compare_recorded(i * 37, 1.0).deciding().verdict == Verdict::NoDifference ? 1 : 0;
  }
  CHECK(same >= 47);
}

TEST_CASE("Comparison: ten percent more, or less, is found on recorded noise") {
  int slower = 0;
  int faster = 0;
  for (std::size_t i = 0; i < 50; ++i) {
    slower += compare_recorded(i * 37, 1.1).deciding().verdict == Verdict::Slower ? 1 : 0;
    faster += compare_recorded(i * 37, 1 / 1.1).deciding().verdict == Verdict::Faster ? 1 : 0;
  }
  CHECK(slower >= 45);
  CHECK(faster >= 45);
}

TEST_CASE("Comparison: what slows both runs of a pair down cancels out") {
  std::vector<MeasuredPair> pairs;
  for (std::size_t i = 0; i < 20; ++i) {
    const double load = i % 5 == 0 ? 3.0 : 1.0 + 0.01 * static_cast<double>(i);
    pairs.push_back({{load, load, 0, 1}, {1.05 * load, 1.05 * load, 0, 1}});
  }
  const Comparison found = compare(pairs);
  CHECK(found.cpu.ratio == Approx(1.05).epsilon(1e-9));
  CHECK(found.deciding().verdict == Verdict::Slower);
  CHECK(found.note.empty());
}

TEST_CASE("Comparison: a difference below the margin is not told, however certain") {
  std::vector<MeasuredPair> pairs(40, {{1, 1, 0, 1}, {1.005, 1.005, 0, 1}});
  CHECK(compare(pairs).deciding().verdict == Verdict::NoDifference);
}

TEST_CASE("Comparison: too few pairs give no verdict and say so") {
  const std::vector<MeasuredPair> pairs(9, {{1, 1, 0, 1}, {2, 2, 0, 1}});
  const Comparison found = compare(pairs);
  CHECK(found.cpu.ratio == Approx(2));
  CHECK(found.deciding().verdict == Verdict::NoDifference);
  CHECK(found.note.find("only 9 pairs") != std::string::npos);
  CHECK(compare({}).note == "no pair of runs was measured");
}

TEST_CASE("Comparison: CPU time decides for scripts that compute, wall time for those that wait") {
  const std::vector<MeasuredPair> waiting(20, {{1.0, 0.1, 0, 1}, {2.0, 0.1, 0, 1}});
  CHECK(compare(waiting).decided_by == Quantity::WallTime);
  CHECK(compare(waiting).deciding().verdict == Verdict::Slower);
  const std::vector<MeasuredPair> parallel(20, {{1.0, 1.9, 0, 1}, {1.0, 1.9, 0, 1}});
  CHECK(compare(parallel).decided_by == Quantity::WallTime);
  // Waiting for a CPU is not the script's doing.
  const std::vector<MeasuredPair> crowded(20, {{2.5, 1.0, 1.45, 1}, {2.1, 1.0, 1.05, 1}});
  CHECK(compare(crowded).decided_by == Quantity::CpuTime);
  CHECK(compare(crowded).deciding().verdict == Verdict::NoDifference);
}

TEST_CASE("Comparison: how narrow an interval is counts relative to its ratio") {
  std::vector<MeasuredPair> pairs;
  for (int i = 0; i < 20; ++i) {
    const double candidate = i % 2 == 0 ? 9.8 : 10.2;
    pairs.push_back({{1, 1, 0, 1}, {candidate, candidate, 0, 1}});
  }
  CHECK(precise_enough(pairs));
  CHECK(compare(pairs).note.empty());
}

TEST_CASE("Comparison: pairs are added until the interval is narrow, and not for ever") {
  const ComparisonRules rules;
  std::vector<MeasuredPair> steady(rules.pairs, {{1, 1, 0, 1}, {1, 1, 0, 1}});
  CHECK(precise_enough(steady));
  steady.pop_back();
  CHECK_FALSE(precise_enough(steady));
  std::vector<MeasuredPair> noisy;
  while (!precise_enough(noisy)) {
    const double candidate = noisy.size() % 2 == 0 ? 2 : 0.5;
    noisy.push_back({{1, 1, 0, 1}, {candidate, candidate, 0, 1}});
  }
  CHECK(noisy.size() == rules.most_pairs);
  CHECK(compare(noisy).note.find("noisy") != std::string::npos);
}

#include "host/benchmark/benchmark_plan.h"

#include <stdlib.h>

#include <deque>
#include <filesystem>
#include <memory>

#include "host/benchmark/benchmark.h"
#include "host/scripts/text_file.h"
#include "host/tools/benchmark_answer.h"
#include "host/tools/benchmark_curve.h"
#include "support/catch.h"

using namespace pyember::host;
using namespace std::chrono_literals;

namespace {

std::string words(const PlannedRun& run) {
  std::string text = run.side == Side::Baseline ? "A" : "B";
  switch (run.purpose) {
    case Purpose::WarmUp:
      text += "w";
      break;
    case Purpose::Measured:
      break;
    case Purpose::Curve:
      text += "c";
      break;
    case Purpose::Profile:
      text += "p";
      break;
  }
  return run.sampled ? text + "~" : text;
}

// The whole plan as words, when every run takes a second.
std::string order_of(const BenchmarkSettings& settings) {
  BenchmarkPlan plan(settings);
  std::string order;
  while (const auto run = plan.next(std::nullopt)) {
    order += (order.empty() ? "" : " ") + words(*run);
    plan.record(*run, {1, 1, 0, 1 << 20});
  }
  return order;
}

// Answers each start in turn with what the test says, at once.
class ScriptedStarter final : public RunStarter {
 public:
  void start(const RunSpec& spec, const std::string& folder,
             std::function<void(RunEnd)> ended) override {
    specs.push_back(spec);
    write_text_file(folder + "/stdout", "run " + std::to_string(specs.size()) + "\n").ok();
    RunEnd end = ends.empty() ? RunEnd{} : ends.front();
    if (!ends.empty()) ends.pop_front();
    held = [ended = std::move(ended), end] { ended(end); };
  }
  void stop() override { stopped = true; }

  // Lets runs end until none is started any more.
  void play() {
    while (held) std::exchange(held, nullptr)();
  }

  std::deque<RunEnd> ends;
  std::vector<RunSpec> specs;
  std::function<void()> held;
  bool stopped = false;
};

RunEnd took(double seconds) {
  RunEnd end;
  end.wall_seconds = end.cpu_seconds = seconds;
  end.peak_bytes = 10 << 20;
  end.peak_source = "largest process";
  return end;
}

struct Bench {
  explicit Bench(BenchmarkSettings plan) {
    std::string path = "/tmp/pyember-benchmark-test-XXXXXX";
    folder = mkdtemp(path.data());
    settings.plan = std::move(plan);
    settings.baseline.command = {"/python", "script.py", "argument"};
    settings.candidate = settings.baseline;
    settings.candidate->command[1] = "other.py";
    settings.profiler = {"/profiler"};
    settings.profiler_arguments = {"20", "own"};
    settings.sample_interval = 0.05;
    settings.folder = folder;
  }

  void play(std::deque<RunEnd> ends) {
    auto owned = std::make_unique<ScriptedStarter>();
    starter = owned.get();
    starter->ends = std::move(ends);
    benchmark = std::make_unique<Benchmark>(settings, std::move(owned),
                                            [this](const BenchmarkOutcome& told) {
                                              outcome = told;
                                              ++told_times;
                                            });
    benchmark->start();
    starter->play();
  }

  std::string folder;
  Benchmark::Settings settings;
  ScriptedStarter* starter = nullptr;
  std::unique_ptr<Benchmark> benchmark;
  BenchmarkOutcome outcome;
  int told_times = 0;
};

BenchmarkSettings repeated(std::size_t times) {
  BenchmarkSettings settings;
  settings.repeat = times;
  return settings;
}

}  // namespace

TEST_CASE("Benchmark plan: a single run is measured and sampled at once") {
  CHECK(order_of({}) == "A~");
}

TEST_CASE("Benchmark plan: of several runs only the warm-up is sampled") {
  CHECK(order_of(repeated(3)) == "Aw~ A A A");
}

TEST_CASE("Benchmark plan: without a warm-up the curve gets a run of its own") {
  BenchmarkSettings settings = repeated(2);
  settings.warmup = 0;
  CHECK(order_of(settings) == "Ac~ A A");
  settings.curve = false;
  CHECK(order_of(settings) == "A A");
}

TEST_CASE("Benchmark plan: a profile comes last, in a run of its own") {
  BenchmarkSettings settings;
  settings.profile = true;
  CHECK(order_of(settings) == "A~ Ap");
  settings.repeat = 0;
  settings.curve = false;
  CHECK(order_of(settings) == "Ap");
}

TEST_CASE("Benchmark plan: compared scripts are interleaved") {
  BenchmarkSettings settings = repeated(4);
  settings.compare = true;
  CHECK(order_of(settings) == "Aw~ Bw A B B A B A A B");
}

TEST_CASE("Benchmark plan: a comparison ends before its time is over, between two pairs") {
  BenchmarkSettings settings;
  settings.compare = true;
  settings.warmup = 0;
  settings.curve = false;
  BenchmarkPlan plan(settings);
  double left = 10;
  while (const auto run = plan.next(std::chrono::duration<double>(left))) {
    plan.record(*run, {1, 1, 0, 1});
    left -= 1;
  }
  CHECK(plan.ended_early());
  CHECK(plan.pairs().size() == 4);
  CHECK(left > 0);
}

TEST_CASE("Benchmark plan: runs over never pass the runs expected") {
  BenchmarkSettings settings = repeated(2);
  settings.profile = true;
  BenchmarkPlan plan(settings);
  CHECK(plan.runs_expected() == 4);
  while (const auto run = plan.next(std::nullopt)) {
    plan.record(*run, {1, 1, 0, 1});
    CHECK(plan.runs_over() <= plan.runs_expected());
  }
  CHECK(plan.runs_over() == 4);
}

TEST_CASE("Benchmark: samples and the profiler are kept out of what is measured") {
  BenchmarkSettings settings = repeated(2);
  settings.profile = true;
  Bench bench(settings);
  bench.play({took(9), took(1), took(2), took(30)});
  REQUIRE(bench.told_times == 1);
  REQUIRE(bench.starter->specs.size() == 4);
  CHECK(bench.starter->specs[0].sample_interval.has_value());
  CHECK_FALSE(bench.starter->specs[1].sample_interval.has_value());
  CHECK_FALSE(bench.starter->specs[2].sample_interval.has_value());
  const std::vector<std::string> profiled = {
      "/python", "/profiler", bench.folder + "/4/profile", "20", "own", "script.py", "argument"};
  CHECK(bench.starter->specs[3].command == profiled);
  CHECK(bench.outcome.fine);
  CHECK(bench.benchmark->plan().measured(Side::Baseline).size() == 2);
  CHECK(bench.outcome.last.wall_seconds == 2);
}

TEST_CASE("Benchmark: a run that fails ends it, and its output is what is answered") {
  Bench bench(repeated(5));
  RunEnd failed = took(1);
  failed.exit_code = 3;
  bench.play({took(1), took(1), failed});
  CHECK(bench.starter->specs.size() == 3);
  CHECK_FALSE(bench.outcome.fine);
  CHECK(bench.outcome.last.exit_code == 3);
  CHECK(bench.benchmark->plan().measured(Side::Baseline).size() == 1);
  const auto text = read_text_file(bench.outcome.output_folder + "/stdout", 100);
  REQUIRE(text.ok());
  CHECK(text.value() == "run 3\n");
}

TEST_CASE("Benchmark: cancelling it stops the run and ends it") {
  Bench bench(repeated(5));
  auto owned = std::make_unique<ScriptedStarter>();
  ScriptedStarter& starter = *owned;
  int told = 0;
  Benchmark benchmark(bench.settings, std::move(owned), [&](const BenchmarkOutcome& outcome) {
    ++told;
    CHECK(outcome.last.cancelled);
  });
  benchmark.start();
  benchmark.cancel();
  CHECK(starter.stopped);
  starter.play();
  CHECK(told == 1);
  CHECK(starter.specs.size() == 1);
}

TEST_CASE("Benchmark: its folder goes with it, and files nobody asks for go before") {
  Bench bench(repeated(4));
  bench.play({});
  std::size_t kept = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator(bench.folder))
    ++kept;
  CHECK(kept == 1);  // the warm-up: samples and output
  bench.benchmark.reset();
  CHECK_FALSE(is_directory(bench.folder));
}

TEST_CASE("Benchmark answer: medians stand in the contract's members, details beside them") {
  Bench bench(repeated(3));
  bench.play({took(9), took(1), took(3), took(2)});
  const RunFacts facts;
  const auto result =
      benchmark_result(facts, bench.outcome, bench.benchmark->plan(), bench.settings.plan, "job");
  CHECK(result["wall_time_seconds"] == 2.0);
  CHECK(result["cpu_time_seconds"] == 2.0);
  CHECK(result["peak_rss_mb"] == 10.0);
  CHECK(result["peak_rss_source"] == "largest process");
  CHECK(result["exit_code"] == 0);
  CHECK(result["measurements"]["runs"] == 3);
  CHECK(result["measurements"]["warmup"] == 1);
  CHECK(result["measurements"]["wall_time_seconds"]["values"].size() == 3);
  CHECK(result["bootstrap"]["confidence"] == 0.99);
  CHECK_FALSE(result.contains("comparison"));
}

TEST_CASE("Benchmark answer: a comparison tells verdict, ratio and how it was found") {
  BenchmarkSettings settings = repeated(10);
  settings.compare = true;
  Bench bench(settings);
  std::deque<RunEnd> ends = {took(1), took(1)};
  for (std::size_t pair = 0; pair < 10; ++pair) {
    ends.push_back(took(candidate_first(pair) ? 2.0 : 1.0));
    ends.push_back(took(candidate_first(pair) ? 1.0 : 2.0));
  }
  bench.play(ends);
  const auto result = benchmark_result({}, bench.outcome, bench.benchmark->plan(), settings, "job");
  CHECK(result["comparison"]["verdict"] == "slower");
  CHECK(result["comparison"]["ratio"] == 2.0);
  CHECK(result["comparison"]["pairs"] == 10);
  CHECK(result["comparison"]["candidate"]["wall_time_seconds"]["median"] == 2.0);
  const std::string text = benchmark_markdown("Benchmark script", result);
  CHECK(text.find("### Comparison — slower") != std::string::npos);
  CHECK(text.find("seed ") != std::string::npos);
}

TEST_CASE("Benchmark curve: samples are thinned so that the peak stays") {
  Bench bench({});
  std::string text;
  for (int i = 0; i < 5000; ++i) {
    text += std::to_string(i) + " " + (i == 3333 ? "900" : "100") + "\n";
  }
  const std::string path = bench.folder + "/samples";
  REQUIRE(write_text_file(path, text + "5000 10").ok());  // cut off
  const auto samples = read_samples(path);
  CHECK(samples.size() == 400);
  double most = 0;
  for (const auto& each : samples) most = std::max(most, each[1].get<double>());
  CHECK(most == 900);
  CHECK(read_samples(bench.folder + "/none").is_null());
  std::filesystem::remove_all(bench.folder);
}

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/benchmark/benchmark_plan.h"
#include "host/benchmark/run_starter.h"
#include "host/runs/run_spec.h"

namespace pyember::host {

// What a benchmark found, and where its files are while it lives.
struct BenchmarkOutcome {
  RunEnd last;                      // the run that ended it: the first that was not fine, if any
  Side last_side = Side::Baseline;  // whose it was
  bool fine = false;                // no run failed, timed out or was cancelled
  std::string peak_source;          // as the runs' records say
  std::string output_folder;        // whose stdout and stderr are to be answered
  std::string candidate_folder;     // the same of the candidate; empty: it did not run
  std::string samples_path;         // of the run whose memory was followed; empty: none
  std::string profile_path;         // what the profiler wrote; empty: none
  std::optional<RunEnd> profile_end;
  double seconds = 0;  // from the first start to the last end
};

// Carries out a benchmark's plan, one run at a time, in folders of its own. Loop's thread only.
class Benchmark {
 public:
  struct Settings {
    BenchmarkSettings plan;
    RunSpec baseline;
    std::optional<RunSpec> candidate;
    // Goes between the interpreter and the script of the profiled run; the name of the file for
    // its findings is appended.
    std::vector<std::string> profiler;
    std::vector<std::string> profiler_arguments;  // after that name
    std::optional<double> sample_interval;        // seconds
    std::string folder;                           // private, exists; removed with everything in it
    std::uint64_t deadline_ns = 0;                // of all runs together; 0: none
  };
  using Done = std::function<void(const BenchmarkOutcome&)>;
  using Progressed = std::function<void(std::size_t over, std::size_t expected)>;

  Benchmark(Settings settings, std::unique_ptr<RunStarter> starter, Done done,
            Progressed progressed = nullptr);
  ~Benchmark();
  Benchmark(const Benchmark&) = delete;
  Benchmark& operator=(const Benchmark&) = delete;

  void start();   // `done` is called once, in a later turn of the loop or (nothing starts) in this
  void cancel();  // brings about `done`

  const BenchmarkPlan& plan() const { return plan_; }
  // Where the output is that somebody who looks now wants to see: of the run that goes on, else
  // what will be answered.
  const std::string& output_folder() const {
    return current_folder_.empty() ? outcome_.output_folder : current_folder_;
  }
  // Of the run that goes on; empty between two.
  const std::string& current_folder() const { return current_folder_; }
  // The samples that were taken, or are being taken if any are.
  std::string samples_path() const {
    return outcome_.samples_path.empty() ? current_folder_ + "/samples" : outcome_.samples_path;
  }

 private:
  void go_on();
  RunSpec spec_for(const PlannedRun& run, const std::string& folder) const;
  void run_ended(const PlannedRun& run, const std::string& folder, const RunEnd& end);
  void keep_files(const PlannedRun& run, const std::string& folder, bool fine);
  void finish();
  std::optional<std::chrono::duration<double>> left() const;

  Settings settings_;
  std::unique_ptr<RunStarter> starter_;
  Done done_;
  Progressed progressed_;
  BenchmarkPlan plan_;
  BenchmarkOutcome outcome_;
  std::string current_folder_;
  std::uint64_t started_ns_ = 0;
  std::size_t runs_ = 0;
  bool cancelled_ = false;
};

}  // namespace pyember::host

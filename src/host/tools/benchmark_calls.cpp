#include "host/tools/benchmark_calls.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "host/apps/view_resources.h"
#include "host/benchmark/benchmark.h"
#include "host/jobs/job_folders.h"
#include "host/tools/benchmark_answer.h"
#include "host/tools/benchmark_curve.h"
#include "host/tools/markdown.h"
#include "mcp/json_members.h"

// One Run goes through: preparing one script or two → measuring → drawing the curve → answered.
// Its caller may be answered earlier, when the budget of smart async is used up; then there is no
// curve, and the job holds the result.
namespace pyember::host {

using mcp::Json;

namespace {

constexpr std::chrono::milliseconds kStillStarting{10};  // until it is looked at again

// A folder nobody else can look into; empty: it could not be made.
std::string private_folder() {
  const char* base = getenv("TMPDIR");
  std::string path =
      fmt::format("{}/pyember-benchmark-XXXXXX", base != nullptr && *base == '/' ? base : "/tmp");
  return mkdtemp(path.data()) != nullptr ? path : std::string();
}

// PYTHONUNBUFFERED keeps what a script printed before it was ended, at the price of a write for
// each line: not in what is measured. What the user asked for stays.
void buffer_output(RunSpec& spec, const ScriptRequest& request) {
  if (getenv("PYTHONUNBUFFERED") == nullptr && request.env_vars.count("PYTHONUNBUFFERED") == 0) {
    spec.environment.erase("PYTHONUNBUFFERED");
  }
}

// What the registry holds while a benchmark of many runs goes on. The benchmark belongs to it, so
// that it lives as long as its output may be asked for.
class BenchmarkWork final : public JobWork {
 public:
  explicit BenchmarkWork(std::unique_ptr<Benchmark> benchmark) : benchmark_(std::move(benchmark)) {}

  void cancel() override { benchmark_->cancel(); }
  std::unique_ptr<JobOutput> output() const override {
    return folder_output(benchmark_->output_folder());
  }
  JobTraces traces() const override {
    return {benchmark_->current_folder(),
            benchmark_->samples_path(),
            {{"over", benchmark_->plan().runs_over()},
             {"expected", benchmark_->plan().runs_expected()},
             {"script", runs_of(Side::Baseline)},
             {"compared", runs_of(Side::Candidate)}}};
  }
  Benchmark& benchmark() { return *benchmark_; }

 private:
  // [wall seconds, CPU seconds, bytes] of each run that counts.
  Json runs_of(Side side) const {
    Json runs = Json::array();
    for (const Measurement& run : benchmark_->plan().measured(side)) {
      runs.push_back({rounded(run.wall_seconds), rounded(run.cpu_seconds), run.peak_bytes});
    }
    return runs;
  }

  std::unique_ptr<Benchmark> benchmark_;
};

}  // namespace

class BenchmarkCalls::Run : public std::enable_shared_from_this<Run> {
 public:
  Run(BenchmarkCalls& owner, std::uint64_t number, std::shared_ptr<mcp::ToolCall> call,
      BenchmarkOptions options, std::chrono::milliseconds timeout)
      : owner_(owner),
        jobs_(owner.jobs_),
        number_(number),
        call_(std::move(call)),
        options_(std::move(options)),
        timeout_(timeout),
        started_ns_(now_ns()),
        budget_timer_(owner.loop_, [this] { budget_used_up(); }),
        timeout_timer_(owner.loop_, [this] { timed_out_preparing(); }) {
    facts_.with_dependencies = true;
    facts_.max_output_chars = options_.run.max_output_chars;
    facts_.markdown = options_.run.form.markdown;
  }

  bool begin(ScriptRequest baseline, std::optional<ScriptRequest> candidate);
  // Goes on with a job of another server's.
  void follow(const Job& job);
  void cancel();
  bool needs_server() const { return benchmark_ != nullptr; }
  bool is_foreground() const { return !call_->answered() && !call_->cancelled(); }
  // It goes on when the server ends, and its caller asks the next one.
  bool lasts() const { return call_->is_task() && handed_on_; }

 private:
  static std::size_t at(Side side) { return static_cast<std::size_t>(side); }

  bool prepare(Side side, ScriptRequest request);
  void prepared(Side side, std::optional<PreparedScript> script, PreparationFailure failure);
  void measure();
  void launch_single(RunSpec spec);
  void start_many();
  Benchmark::Settings settings_for_many(std::string folder);
  void single_launched(const Result<void>& outcome);
  void single_ended(const Job& job);
  void many_ended(const BenchmarkOutcome& outcome);
  void answer_with_curve(Json result, Json samples);
  void answer(Json result, Json images);
  void environment_failed(Side side, const PreparationFailure& failure);
  void budget_used_up();
  void timed_out_preparing();
  void cancel_preparations();
  void end_without_process(Json result, const std::string& error);
  void fail(const ToolFault& fault);
  // Its job is somebody's to look at when the call is answered.
  bool job_stays() const { return call_->is_task() && !job_id_.empty(); }
  bool ensure_job();
  void watch_job();
  void became_task();
  void job_ended(const Job& job);
  Json details() const;
  Json result_of(const Job& job) const;
  void progressed(std::size_t over, std::size_t expected);
  bool is_single() const;
  void forget();
  double elapsed() const { return static_cast<double>(now_ns() - started_ns_) / 1e9; }

  BenchmarkCalls& owner_;
  JobRegistry& jobs_;
  const std::uint64_t number_;
  const std::shared_ptr<mcp::ToolCall> call_;
  const BenchmarkOptions options_;
  const std::chrono::milliseconds timeout_;
  const std::uint64_t started_ns_;
  std::uint64_t preparations_[2] = {0, 0};  // 0: over, or there is none
  std::optional<ScriptRequest> requests_[2];
  std::optional<PreparedScript> scripts_[2];
  RunFacts facts_;
  Json curve_;               // samples of the memory, for a view; null: there are none, or no view
  std::string job_id_;       // empty: none yet
  std::uint64_t watch_ = 0;  // of the job's end; 0: none
  bool adopted_ = false;     // another server has started it
  bool handed_on_ = false;   // a single run, to the registry: it runs, or will soon
  bool starting_ = false;    // a single run
  Benchmark* benchmark_ = nullptr;  // the registry's work, until it has ended
  Timer budget_timer_;
  Timer timeout_timer_;
};

// --- preparing -----------------------------------------------------------------------------------

bool BenchmarkCalls::Run::begin(ScriptRequest baseline, std::optional<ScriptRequest> candidate) {
  facts_.strategy = "uv-run";
  facts_.dependencies = baseline.dependencies;
  facts_.python_version = baseline.python_version.value_or(baseline.default_python_version);
  requests_[at(Side::Baseline)] = baseline;
  requests_[at(Side::Candidate)] = candidate;
  baseline.helpers = {owner_.places_.profiler_script};
  if (candidate) candidate->helpers = baseline.helpers;
  if (!prepare(Side::Baseline, std::move(baseline))) return false;
  if (candidate && !prepare(Side::Candidate, std::move(*candidate))) {
    cancel_preparations();
    return false;
  }
  if (timeout_.count() > 0) timeout_timer_.start(timeout_);
  std::weak_ptr<Run> weak = weak_from_this();
  if (options_.run.mode == RunMode::Pending) {
    if (!ensure_job()) return false;
    Json descriptor = {{"job_id", job_id_}, {"status", "pending"}};
    call_->complete(tool_answer(options_.run.form, std::move(descriptor), background_markdown));
    return true;
  }
  if (const double budget = smart_async_budget(); budget > 0) budget_timer_.start(in_ms(budget));
  call_->on_cancel([weak] {
    if (const auto run = weak.lock()) run->cancel();
  });
  call_->on_task([weak] {
    if (const auto run = weak.lock()) run->became_task();
  });
  return true;
}

void BenchmarkCalls::Run::follow(const Job& job) {
  adopted_ = handed_on_ = true;
  job_id_ = job.id;
  facts_ = RunFacts::from_json(job.details);
  watch_job();
  call_->on_cancel([weak = weak_from_this()] {
    if (const auto run = weak.lock()) run->cancel();
  });
}

void BenchmarkCalls::Run::became_task() {
  if (ensure_job() && handed_on_) call_->lasts_as(job_id_);
}

bool BenchmarkCalls::Run::prepare(Side side, ScriptRequest request) {
  std::weak_ptr<Run> weak = weak_from_this();
  const Result<std::uint64_t> preparation = owner_.preparer_.prepare(
      std::move(request),
      [weak, side](std::optional<PreparedScript> script, PreparationFailure failure) {
        if (const auto run = weak.lock())
          run->prepared(side, std::move(script), std::move(failure));
      });
  if (!preparation) {
    call_->complete(fault_answer(options_.run.form, fault_of(preparation.error())));
    return false;
  }
  preparations_[at(side)] = preparation.value();
  return true;
}

void BenchmarkCalls::Run::prepared(Side side, std::optional<PreparedScript> script,
                                   PreparationFailure failure) {
  preparations_[at(side)] = 0;
  if (!script) {
    timeout_timer_.stop();
    cancel_preparations();
    if (failure.error) return fail(fault_of(*failure.error));
    return environment_failed(side, failure);
  }
  buffer_output(script->spec, *requests_[at(side)]);
  scripts_[at(side)] = std::move(script);
  const bool ready =
      scripts_[at(Side::Baseline)] && (!options_.settings.compare || scripts_[at(Side::Candidate)]);
  if (ready) measure();
}

void BenchmarkCalls::Run::measure() {
  timeout_timer_.stop();
  const PreparedScript& script = *scripts_[at(Side::Baseline)];
  facts_ = facts_of(script, std::move(facts_));
  if (script.boundary == Boundary::Container && options_.settings.profile) {
    return fail({"ValueError", "a profile can't be brought out of a container",
                 "Use isolation='sandbox', or leave profile out."});
  }
  if (!ensure_job()) return;
  jobs_.set_details(job_id_, details());
  is_single() ? launch_single(script.spec) : start_many();
}

Json BenchmarkCalls::Run::details() const {
  Json details = facts_.to_json();
  details["benchmark"] = true;
  details["curve"] = options_.settings.curve;
  return details;
}

bool BenchmarkCalls::Run::is_single() const {
  const BenchmarkSettings& settings = options_.settings;
  return settings.repeat.value_or(1) == 1 && settings.warmup.value_or(0) == 0 &&
         !settings.compare && !settings.profile;
}

bool BenchmarkCalls::Run::ensure_job() {
  if (!job_id_.empty()) return true;
  const std::string& tool = options_.run.form.tool;
  const std::string label = options_.run.label.empty() ? tool : options_.run.label;
  Result<std::string> id = jobs_.create(tool, label, details());
  if (!id) {
    fail(fault_of(Error{ErrorCode::Unavailable, id.error().message}));
    return false;
  }
  job_id_ = id.take();
  watch_job();
  return true;
}

// From the beginning: whoever lists jobs may cancel one that is still being prepared.
void BenchmarkCalls::Run::watch_job() {
  watch_ = jobs_.watch_end(job_id_, [weak = weak_from_this()](const Job& job) {
    if (const auto run = weak.lock()) run->job_ended(job);
  });
}

// Of many runs the benchmark tells the end itself.
void BenchmarkCalls::Run::job_ended(const Job& job) {
  if (benchmark_ == nullptr) single_ended(job);
}

// --- one run
// ---------------------------------------------------------------------------------------

void BenchmarkCalls::Run::launch_single(RunSpec spec) {
  if (options_.settings.curve) spec.sample_interval = options_.sample_interval;
  spec.timeout = std::chrono::milliseconds(0);
  if (timeout_.count() > 0) {
    spec.timeout = std::max(timeout_ - in_ms(elapsed()), std::chrono::milliseconds(1));
  }
  starting_ = true;
  handed_on_ = true;
  call_->lasts_as(job_id_);
  jobs_.launch(job_id_, std::move(spec), [weak = weak_from_this()](Result<void> outcome) {
    if (const auto run = weak.lock()) run->single_launched(outcome);
  });
}

void BenchmarkCalls::Run::single_launched(const Result<void>& outcome) {
  starting_ = false;
  if (outcome) return;
  const std::optional<Job> job = jobs_.find(job_id_);
  if (job && job->status == JobStatus::Cancelled) return single_ended(*job);
  fail(fault_of(Error{ErrorCode::Unavailable, outcome.error().message}));
}

// What another server has left in the store has its long texts cut; the output has them whole.
Json BenchmarkCalls::Run::result_of(const Job& job) const {
  if (!adopted_ && !job.result.is_null()) return job.result;
  const auto output = jobs_.output(job_id_);
  Json result = output ? run_result(job, *output) : Json();
  if (result.is_null()) return job.result;
  if (adopted_) add_figures(result, *job.end);
  return result;
}

void BenchmarkCalls::Run::single_ended(const Job& job) {
  budget_timer_.stop();
  cancel_preparations();
  if (job.status == JobStatus::Cancelled) call_->end_as_cancelled(kJobCancelled);
  if (!is_foreground()) return forget();
  Json result = result_of(job);
  if (result.is_null()) {
    const std::string why =
        !job.error.empty() ? job.error : "The benchmark was lost. Run it again.";
    const bool lost = !job.end || job.end->error_kind == "lost";
    if (adopted_ && lost) call_->fail(lost_run_error(options_.run.form.tool, why));
    return fail(fault_of(Error{ErrorCode::Unavailable, why}));
  }
  const std::string samples = JobFolders(owner_.places_.jobs_directory).path(job_id_) + "/samples";
  answer_with_curve(std::move(result), options_.settings.curve ? read_samples(samples) : Json());
}

// --- many runs
// -------------------------------------------------------------------------------------

Benchmark::Settings BenchmarkCalls::Run::settings_for_many(std::string folder) {
  Benchmark::Settings settings;
  settings.plan = options_.settings;
  settings.baseline = scripts_[at(Side::Baseline)]->spec;
  if (options_.settings.compare) settings.candidate = scripts_[at(Side::Candidate)]->spec;
  settings.profiler = {owner_.places_.profiler_script};
  settings.profiler_arguments = {std::to_string(options_.profile_limit), options_.profile_order};
  settings.sample_interval = options_.sample_interval;
  settings.folder = std::move(folder);
  if (timeout_.count() > 0) {
    settings.deadline_ns = started_ns_ + static_cast<std::uint64_t>(timeout_.count()) * 1'000'000;
  }
  return settings;
}

void BenchmarkCalls::Run::start_many() {
  const std::optional<Job> job = jobs_.find(job_id_);
  if (!job || job->is_over()) return forget();  // it was cancelled meanwhile
  std::string folder = private_folder();
  if (folder.empty()) {
    return fail({"OSError", "no folder for the runs could be made in TMPDIR (/tmp)",
                 "Make room there, or set TMPDIR to another folder."});
  }
  std::weak_ptr<Run> weak = weak_from_this();
  auto work = std::make_unique<BenchmarkWork>(std::make_unique<Benchmark>(
      settings_for_many(std::move(folder)),
      std::make_unique<RunnerStarter>(owner_.loop_, owner_.places_.runner),
      [weak](const BenchmarkOutcome& outcome) {
        if (const auto run = weak.lock()) run->many_ended(outcome);
      },
      [weak](std::size_t over, std::size_t expected) {
        if (const auto run = weak.lock()) run->progressed(over, expected);
      }));
  benchmark_ = &work->benchmark();
  jobs_.attach(job_id_, std::move(work));
  benchmark_->start();
}

void BenchmarkCalls::Run::progressed(std::size_t over, std::size_t expected) {
  const auto total = static_cast<double>(expected);
  if (is_foreground() && call_->wants_progress()) {
    call_->progress(static_cast<double>(over), total, fmt::format("run {} of {}", over, expected));
  }
  if (!is_foreground() || job_stays()) {
    jobs_.set_progress(job_id_, {{"current", over}, {"total", expected}});
  }
}

void BenchmarkCalls::Run::many_ended(const BenchmarkOutcome& outcome) {
  Json result = benchmark_result(facts_, outcome, benchmark_->plan(), options_.settings, job_id_);
  Json samples = read_samples(outcome.samples_path);  // its file goes with the benchmark
  benchmark_ = nullptr;
  const bool started = outcome.last.error.empty();
  const JobStatus status = outcome.last.cancelled ? JobStatus::Cancelled
                           : started              ? JobStatus::Completed
                                                  : JobStatus::Failed;
  jobs_.unwatch(std::exchange(watch_, 0));
  jobs_.finish(job_id_, status, result, outcome.last.error);
  if (status == JobStatus::Cancelled) call_->end_as_cancelled(kJobCancelled);
  if (!is_foreground()) return forget();
  if (!started) {
    return fail(fault_of(Error{ErrorCode::Unavailable, outcome.last.error}));
  }
  answer_with_curve(std::move(result), std::move(samples));
}

// --- the answer
// ------------------------------------------------------------------------------------

// For people a picture, for a client that shows views what it draws itself.
void BenchmarkCalls::Run::answer_with_curve(Json result, Json samples) {
  if (call_->client().ui) curve_ = samples;
  draw_curve(owner_.services_, std::move(samples),
             [weak = weak_from_this(), result = std::move(result)](Json images) mutable {
               if (const auto run = weak.lock()) run->answer(std::move(result), std::move(images));
             });
}

void BenchmarkCalls::Run::answer(Json result, Json images) {
  budget_timer_.stop();
  const bool keep = result.contains("job_id") || job_stays();
  if (is_foreground()) {
    mcp::ToolResult told = tool_answer(options_.run.form, std::move(result), benchmark_markdown);
    for (Json& image : images) told.content.push_back(std::move(image));
    if (curve_.is_array()) told.meta[kMemoryCurveMeta] = std::move(curve_);
    call_->complete(std::move(told));
    if (!keep) jobs_.remove({job_id_});
  }
  forget();
}

void BenchmarkCalls::Run::environment_failed(Side side, const PreparationFailure& failure) {
  std::string text = failure.environment.stderr_text;
  if (text.empty()) text = "The environment could not be made.\n";
  if (side == Side::Candidate) text += "This is the environment of the compared script.\n";
  const int code = failure.environment.exit_code != 0 ? failure.environment.exit_code : 1;
  end_without_process(failed_run_result(facts_, code, text, elapsed()),
                      "the environment could not be made: " + text);
}

void BenchmarkCalls::Run::timed_out_preparing() {
  cancel_preparations();
  const std::string text = fmt::format(
      "The script was not run: its environment was not ready within the {:g} s of "
      "timeout_seconds.\n[TIMEOUT]\n",
      static_cast<double>(timeout_.count()) / 1000);
  Json result = failed_run_result(facts_, kEndedBeforeItRan, text, elapsed());
  result["timed_out"] = true;
  end_without_process(std::move(result), text);
}

void BenchmarkCalls::Run::end_without_process(Json result, const std::string& error) {
  add_figures(result, RunEnd{});
  const bool foreground = is_foreground();
  if (!job_id_.empty()) jobs_.finish(job_id_, JobStatus::Failed, result, error);
  if (foreground) {
    call_->complete(tool_answer(options_.run.form, std::move(result), benchmark_markdown));
    if (!job_id_.empty() && !job_stays()) jobs_.remove({job_id_});
  }
  forget();
}

void BenchmarkCalls::Run::fail(const ToolFault& fault) {
  const bool foreground = is_foreground();
  if (foreground) call_->complete(fault_answer(options_.run.form, fault));
  if (!job_id_.empty()) {
    const std::string error = fault.fix.empty() ? fault.cause : fault.cause + " " + fault.fix;
    jobs_.finish(job_id_, JobStatus::Failed, nullptr, fault.type + ": " + error);
    if (foreground && !job_stays()) jobs_.remove({job_id_});
  }
  cancel_preparations();
  forget();
}

// --- not waiting for the end
// -----------------------------------------------------------------------

void BenchmarkCalls::Run::budget_used_up() {
  // Who hears of a run that is only being started would lose it with a server killed in that
  // moment.
  if (starting_) return budget_timer_.start(kStillStarting);
  if (!is_foreground() || call_->go_on_as_task() || !ensure_job()) return;
  Json descriptor = {{"job_id", job_id_},
                     {"status", "running"},
                     {"message", fmt::format("Task exceeded {:g}s time budget; running in "
                                             "background",
                                             smart_async_budget())}};
  call_->complete(tool_answer(options_.run.form, std::move(descriptor), background_markdown));
}

void BenchmarkCalls::Run::cancel_preparations() {
  timeout_timer_.stop();
  for (std::uint64_t& preparation : preparations_) {
    if (preparation != 0) owner_.preparer_.cancel(std::exchange(preparation, 0));
  }
}

void BenchmarkCalls::Run::cancel() {
  budget_timer_.stop();
  const bool preparing = preparations_[0] != 0 || preparations_[1] != 0;
  cancel_preparations();
  if (!job_id_.empty()) (void)jobs_.cancel(job_id_).ok();
  if (!preparing) return;
  if (!call_->end_as_cancelled(kJobCancelled)) call_->complete(never_begun(options_.run.form));
  forget();
}

void BenchmarkCalls::Run::forget() {
  jobs_.unwatch(std::exchange(watch_, 0));
  owner_.forget(number_);
}

// --- all of them
// -----------------------------------------------------------------------------------

BenchmarkCalls::BenchmarkCalls(EventLoop& loop, JobRegistry& jobs, ScriptPreparer& preparer,
                               PythonServices& services, BenchmarkPlaces places)
    : loop_(loop),
      jobs_(jobs),
      preparer_(preparer),
      services_(services),
      places_(std::move(places)),
      sweep_(loop, [this] { over_.clear(); }) {}

BenchmarkCalls::~BenchmarkCalls() = default;

void BenchmarkCalls::start(std::shared_ptr<mcp::ToolCall> call, ScriptRequest baseline,
                           std::optional<ScriptRequest> candidate, BenchmarkOptions options) {
  const std::uint64_t number = ++last_number_;
  const auto timeout = baseline.timeout;
  const auto run =
      std::make_shared<Run>(*this, number, std::move(call), std::move(options), timeout);
  runs_[number] = run;
  if (!run->begin(std::move(baseline), std::move(candidate))) forget(number);
}

void BenchmarkCalls::go_on(std::shared_ptr<mcp::ToolCall> call, const Job& job, AnswerForm form) {
  const std::uint64_t number = ++last_number_;
  BenchmarkOptions options;
  options.run.form = std::move(form);
  options.settings.curve = mcp::flag_in(job.details, "curve");
  const auto run = std::make_shared<Run>(*this, number, std::move(call), std::move(options),
                                         std::chrono::milliseconds(0));
  runs_[number] = run;
  run->follow(job);
}

void BenchmarkCalls::forget(std::uint64_t number) {
  const auto found = runs_.find(number);
  if (found == runs_.end()) return;
  over_.push_back(std::move(found->second));
  runs_.erase(found);
  sweep_.start(std::chrono::milliseconds(0));
}

void BenchmarkCalls::cancel_foreground() {
  const auto runs = runs_;  // cancelling may forget
  for (const auto& [number, run] : runs) {
    if ((run->is_foreground() && !run->lasts()) || run->needs_server()) run->cancel();
  }
}

}  // namespace pyember::host

#include "host/tools/script_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/limits.h"
#include "host/tools/markdown.h"

// One Run goes through: preparing (ScriptPreparer) → starting, running (JobRegistry) → over. Beside
// that its caller is answered: at the end, or earlier when it goes to the background. Two timers:
// the budget of smart async (of a *_async tool: for the environment to turn out to be ready), which
// only answers, and the timeout, which ends what is being prepared; once the run has started its
// runner keeps the rest of the timeout. While it is being started nobody is answered: who hears of
// a started run would lose it with a server that is killed in that moment.
namespace pyember::host {

using mcp::Json;

double smart_async_budget() {
  const char* text = getenv("SMART_ASYNC_TIMEOUT_SECONDS");
  if (text == nullptr || *text == '\0') return limits::kSmartAsyncSeconds;
  char* end = nullptr;
  const double seconds = strtod(text, &end);
  const bool usable = end != text && *end == '\0' && seconds >= 0 && seconds < 1e9;
  return usable ? seconds : limits::kSmartAsyncSeconds;
}

namespace {

// A client that calls again at once is served first.
constexpr std::chrono::milliseconds kTidyAfter{20};
constexpr std::size_t kTidiedPerTurn = 4;  // each takes about a millisecond

// An environment that is there is found within a turn of the loop; the others take seconds.
constexpr std::chrono::milliseconds kReadyAtOnce{5};
// Until a run that is being started is looked at again.
constexpr std::chrono::milliseconds kStillStarting{10};

}  // namespace

class ScriptRuns::Run : public std::enable_shared_from_this<Run> {
 public:
  Run(ScriptRuns& owner, std::uint64_t number, std::shared_ptr<mcp::ToolCall> call,
      RunOptions options, std::chrono::milliseconds timeout)
      : owner_(owner),
        jobs_(owner.jobs_),
        number_(number),
        call_(std::move(call)),
        options_(std::move(options)),
        timeout_(timeout),
        started_ns_(now_ns()),
        budget_timer_(owner.loop_, [this] { answer_in_time(); }),
        timeout_timer_(owner.loop_, [this] { timed_out_preparing(); }) {
    facts_.with_dependencies = options_.with_dependencies;
    facts_.stream = options_.stream;
    facts_.max_output_chars = options_.max_output_chars;
    facts_.markdown = options_.form.markdown;
  }

  // False: refused, and answered.
  bool begin(ScriptRequest request);
  // Goes on with a job of another server's.
  void follow(const Job& job);
  void output_grew(const std::string& job_id);
  void cancel();
  bool is_foreground() const { return !call_->answered(); }
  // It goes on when the server ends, and its caller asks the next one.
  bool lasts() const { return call_->is_task() && handed_on_; }
  bool wants_output(const std::string& job_id) const { return feed_ && job_id == job_id_; }

 private:
  void known(const PreparedScript& script);
  void prepared(std::optional<PreparedScript> script, PreparationFailure failure);
  void launch(PreparedScript script);
  void launched(const Result<void>& outcome);
  void environment_failed(const PreparationFailure& failure);
  void ended(const Job& job);
  void budget_used_up();
  void timed_out_preparing();

  // Its job is somebody's to look at when the call is answered.
  bool job_stays() const { return !is_foreground() || (call_->is_task() && !job_id_.empty()); }
  bool ensure_job();
  void watch_job();
  void became_task();
  void stop_preparing();
  Json result_of(const Job& job) const;
  void ended_without_result(const Job& job);
  void fail(const ToolFault& fault);
  void end_without_process(const Json& result, const std::string& error);
  void complete(Json result);
  void answer_started();
  void answer_in_time();
  void go_to_background(Json descriptor);
  void annotate(const Json& result, bool forget_job = false);
  void feed(bool all);
  double elapsed() const { return static_cast<double>(now_ns() - started_ns_) / 1e9; }
  void forget();

  ScriptRuns& owner_;
  JobRegistry& jobs_;
  const std::uint64_t number_;
  const std::shared_ptr<mcp::ToolCall> call_;
  const RunOptions options_;
  const std::chrono::milliseconds timeout_;
  const std::uint64_t started_ns_;
  std::uint64_t preparation_ = 0;  // 0: over
  std::string job_id_;             // empty: none yet
  std::uint64_t watch_ = 0;        // of the job's end; 0: none
  bool adopted_ = false;           // another server has started it
  bool is_known_ = false;          // how it will run
  bool handed_on_ = false;         // to the registry: it runs, or will soon
  bool starting_ = false;
  RunFacts facts_;
  std::optional<ScriptLibrary::Saved> autosaved_;
  Timer budget_timer_;
  Timer timeout_timer_;
  std::unique_ptr<ProgressFeed> feed_;
  std::uint64_t fed_[2] = {0, 0};
};

// --- the beginning -------------------------------------------------------------------------------

bool ScriptRuns::Run::begin(ScriptRequest request) {
  facts_.strategy = request.use_uv ? "uv-run" : "system-python";
  facts_.dependencies = request.dependencies;
  facts_.python_version = request.python_version.value_or("");
  std::weak_ptr<Run> weak = weak_from_this();
  const Result<std::uint64_t> preparation = owner_.preparer_.prepare(
      std::move(request),
      [weak](std::optional<PreparedScript> script, PreparationFailure failure) {
        if (const auto run = weak.lock()) run->prepared(std::move(script), std::move(failure));
      },
      [weak](const PreparedScript& script) {
        if (const auto run = weak.lock()) run->known(script);
      });
  if (!preparation) {
    call_->complete(fault_answer(options_.form, fault_of(preparation.error())));
    return false;
  }
  preparation_ = preparation.value();
  if (timeout_.count() > 0) timeout_timer_.start(timeout_);
  if (options_.mode != RunMode::Foreground && !ensure_job()) return false;
  if (options_.mode == RunMode::Pending) {
    Json descriptor = Json::object();
    descriptor["job_id"] = job_id_;
    descriptor["status"] = "pending";
    go_to_background(std::move(descriptor));
    return true;
  }
  if (options_.mode == RunMode::Foreground) {
    const double budget = smart_async_budget();
    if (budget > 0) budget_timer_.start(in_ms(budget));
    if (call_->wants_progress()) feed_ = std::make_unique<ProgressFeed>(owner_.ticker_, call_);
  }
  call_->on_cancel([weak] {
    if (const auto run = weak.lock()) run->cancel();
  });
  call_->on_task([weak] {
    if (const auto run = weak.lock()) run->became_task();
  });
  return true;
}

void ScriptRuns::Run::follow(const Job& job) {
  adopted_ = handed_on_ = true;
  job_id_ = job.id;
  facts_ = RunFacts::from_json(job.details);
  watch_job();
  feed_ = std::make_unique<ProgressFeed>(owner_.ticker_, call_);
  call_->on_cancel([weak = weak_from_this()] {
    if (const auto run = weak.lock()) run->cancel();
  });
}

// From now on it is listed as a job, and goes on as one should the server die; what is still being
// prepared dies with it.
void ScriptRuns::Run::became_task() {
  if (!ensure_job()) return;
  if (handed_on_) call_->lasts_as(job_id_);
  if (!feed_) feed_ = std::make_unique<ProgressFeed>(owner_.ticker_, call_);
}

// A pending job. False: refused, and answered.
bool ScriptRuns::Run::ensure_job() {
  if (!job_id_.empty()) return true;
  const std::string label = options_.label.empty() ? options_.form.tool : options_.label;
  Result<std::string> id = jobs_.create(options_.form.tool, label, facts_.to_json());
  if (id.ok()) {
    job_id_ = id.take();
    watch_job();
    return true;
  }
  fail(fault_of(Error{ErrorCode::Unavailable, id.error().message}));
  return false;
}

// From the beginning: whoever lists jobs may cancel one that is still being prepared.
void ScriptRuns::Run::watch_job() {
  watch_ = jobs_.watch_end(job_id_, [weak = weak_from_this()](const Job& job) {
    if (const auto run = weak.lock()) run->ended(job);
  });
}

void ScriptRuns::Run::known(const PreparedScript& script) {
  facts_ = facts_of(script, std::move(facts_));
  autosaved_ = script.autosaved;
  is_known_ = true;
  if (options_.mode == RunMode::Started) budget_timer_.start(kReadyAtOnce);
}

void ScriptRuns::Run::answer_in_time() {
  if (starting_) return budget_timer_.start(kStillStarting);
  options_.mode == RunMode::Started ? answer_started() : budget_used_up();
}

void ScriptRuns::Run::answer_started() {
  Json descriptor = Json::object();
  descriptor["job_id"] = job_id_;
  descriptor["status"] = "started";
  if (options_.with_dependencies) {
    descriptor["python_version_used"] = facts_.python_version;
    descriptor["resolved_dependencies"] = Json(facts_.dependencies);
  } else {
    descriptor["execution_strategy"] = facts_.strategy;
  }
  if (!facts_.isolation.empty()) descriptor["isolation"] = facts_.isolation;
  go_to_background(std::move(descriptor));
}

void ScriptRuns::Run::go_to_background(Json descriptor) {
  budget_timer_.stop();
  feed_.reset();
  call_->complete(tool_answer(options_.form, std::move(descriptor), background_markdown));
}

// --- running -------------------------------------------------------------------------------------

void ScriptRuns::Run::prepared(std::optional<PreparedScript> script, PreparationFailure failure) {
  preparation_ = 0;
  timeout_timer_.stop();
  if (script) return launch(std::move(*script));
  if (is_known_ && options_.mode == RunMode::Started && is_foreground()) answer_started();
  if (failure.error) return fail(fault_of(*failure.error));
  environment_failed(failure);
}

void ScriptRuns::Run::launch(PreparedScript script) {
  facts_ = facts_of(script, std::move(facts_));
  if (timeout_.count() > 0) {
    const auto left = timeout_ - in_ms(elapsed());
    script.spec.timeout = std::max(left, std::chrono::milliseconds(1));
  }
  const bool had_job = !job_id_.empty();
  if (!ensure_job()) return;
  if (had_job) jobs_.set_details(job_id_, facts_.to_json());
  starting_ = true;
  handed_on_ = true;
  call_->lasts_as(job_id_);
  jobs_.launch(job_id_, std::move(script.spec), [weak = weak_from_this()](Result<void> outcome) {
    if (const auto run = weak.lock()) run->launched(outcome);
  });
}

void ScriptRuns::Run::launched(const Result<void>& outcome) {
  starting_ = false;
  if (!outcome) {
    const std::optional<Job> job = jobs_.find(job_id_);
    if (job && job->status == JobStatus::Cancelled) return ended(*job);
    return fail(fault_of(Error{ErrorCode::Unavailable, outcome.error().message}));
  }
  if (options_.mode == RunMode::Started && is_foreground()) answer_started();
}

void ScriptRuns::Run::ended(const Job& job) {
  stop_preparing();
  const bool cancelled =
      job.status == JobStatus::Cancelled && call_->end_as_cancelled(kJobCancelled);
  Json result = result_of(job);
  if (result.is_null()) return ended_without_result(job);
  if (!is_foreground() || cancelled) {
    annotate(result);
    return forget();
  }
  feed(true);
  const bool keep = result.contains("job_id") || job.status == JobStatus::Cancelled || job_stays();
  call_->complete(tool_answer(options_.form, result, run_markdown));
  annotate(result, !keep);
  forget();
}

// What another server has left in the store has its long texts cut; the output has them whole.
Json ScriptRuns::Run::result_of(const Job& job) const {
  if (!adopted_ && !job.result.is_null()) return job.result;
  const auto output = jobs_.output(job_id_);
  Json result = output ? run_result(job, *output) : Json();
  return result.is_null() ? job.result : result;
}

// It was never started, or nobody saw its end.
void ScriptRuns::Run::ended_without_result(const Job& job) {
  const bool cancelled = job.status == JobStatus::Cancelled;
  const bool no_folder = job.end && job.end->error_kind == "cwd";
  const bool lost = !job.end || job.end->error_kind == "lost";
  const bool kept = cancelled || job_stays();
  const std::string why = job.end && !job.end->error.empty() ? job.end->error
                          : !job.error.empty()               ? job.error
                          : cancelled
                              ? kNeverBegun
                              : "the run was lost.\nLook at its effects, then run it again.";
  if (adopted_ && lost) {
    call_->fail(lost_run_error(options_.form.tool, why));
  } else if (is_foreground()) {
    call_->complete(fault_answer(
        options_.form,
        fault_of(Error{no_folder ? ErrorCode::NotFound : ErrorCode::Unavailable, why})));
    if (!kept) jobs_.remove({job_id_});
  }
  forget();
}

void ScriptRuns::Run::environment_failed(const PreparationFailure& failure) {
  std::string text = failure.environment.stderr_text;
  if (text.empty()) text = "The environment could not be made.\n";
  const int code = failure.environment.exit_code != 0 ? failure.environment.exit_code : 1;
  end_without_process(failed_run_result(facts_, code, text, elapsed()),
                      "the environment could not be made: " + text);
}

void ScriptRuns::Run::timed_out_preparing() {
  owner_.preparer_.cancel(std::exchange(preparation_, 0));
  const std::string text = fmt::format(
      "The script was not run: its environment was not ready within the {:g} s of "
      "timeout_seconds.\n[TIMEOUT]\n",
      static_cast<double>(timeout_.count()) / 1000);
  Json result = failed_run_result(facts_, kEndedBeforeItRan, text, elapsed());
  result["timed_out"] = true;
  end_without_process(result, text);
}

// --- the end -------------------------------------------------------------------------------------

void ScriptRuns::Run::end_without_process(const Json& result, const std::string& error) {
  const bool kept = job_stays();
  if (is_foreground()) call_->complete(tool_answer(options_.form, result, run_markdown));
  if (!job_id_.empty()) {
    jobs_.finish(job_id_, JobStatus::Failed, kept ? result : Json(), error);
    if (!kept) jobs_.remove({job_id_});
  }
  annotate(result);
  forget();
}

void ScriptRuns::Run::fail(const ToolFault& fault) {
  const bool kept = job_stays();
  if (is_foreground()) call_->complete(fault_answer(options_.form, fault));
  if (!job_id_.empty()) {
    const std::string error = fault.fix.empty() ? fault.cause : fault.cause + " " + fault.fix;
    jobs_.finish(job_id_, JobStatus::Failed, nullptr, fault.type + ": " + error);
    if (!kept) jobs_.remove({job_id_});
  }
  stop_preparing();
  forget();
}

// Whoever can wait for a task does; the others follow the job.
void ScriptRuns::Run::budget_used_up() {
  if (!is_foreground() || call_->go_on_as_task() || !ensure_job()) return;
  Json descriptor = Json::object();
  descriptor["job_id"] = job_id_;
  descriptor["status"] = "running";
  descriptor["message"] =
      fmt::format("Task exceeded {:g}s time budget; running in background", smart_async_budget());
  go_to_background(std::move(descriptor));
}

void ScriptRuns::Run::cancel() {
  feed_.reset();
  if (preparation_ != 0) {
    stop_preparing();
    if (!job_id_.empty()) jobs_.finish(job_id_, JobStatus::Cancelled, nullptr, "");
    // Who has not cancelled it themselves is told: the server ends.
    if (!call_->end_as_cancelled(kJobCancelled)) call_->complete(never_begun(options_.form));
    return forget();
  }
  budget_timer_.stop();
  if (!job_id_.empty()) (void)jobs_.cancel(job_id_).ok();
}

void ScriptRuns::Run::stop_preparing() {
  budget_timer_.stop();
  timeout_timer_.stop();
  if (preparation_ != 0) owner_.preparer_.cancel(std::exchange(preparation_, 0));
}

void ScriptRuns::Run::forget() {
  jobs_.unwatch(std::exchange(watch_, 0));
  owner_.forget(number_);
}

void ScriptRuns::Run::annotate(const Json& result, bool forget_job) {
  Json members = Json::object();
  const bool stays =
      options_.mode != RunMode::Foreground || call_->is_task() || result.contains("job_id");
  if (!job_id_.empty() && stays) {
    members["job_id"] = job_id_;
  }
  Json outcome = Json::object();
  outcome["exit_code"] = result.value("exit_code", Json(nullptr));
  outcome["elapsed_seconds"] = result.value("elapsed_seconds", Json(nullptr));
  members["result"] = std::move(outcome);
  owner_.leftovers_.push_back({forget_job ? job_id_ : "", autosaved_, std::move(members)});
  if (!owner_.tidy_timer_.active()) owner_.tidy_timer_.start(kTidyAfter);
}

// --- progress ------------------------------------------------------------------------------------

void ScriptRuns::Run::output_grew(const std::string& job_id) {
  if (wants_output(job_id)) feed(false);
}

// What the feed has not seen yet. It shows the end of a flood only, so no more than that is read.
void ScriptRuns::Run::feed(bool all) {
  if (!feed_ || job_id_.empty()) return;
  if (const auto output = jobs_.output(job_id_)) {
    for (const Stream stream : {Stream::Stdout, Stream::Stderr}) {
      std::uint64_t& seen = fed_[stream == Stream::Stdout ? 0 : 1];
      const std::uint64_t size = output->size(stream);
      if (size <= seen) continue;
      const std::uint64_t most = 2 * limits::kProgressMessageBytes;
      const std::uint64_t from = size - seen > most ? size - most : seen;
      feed_->output(output->read(stream, from, static_cast<std::size_t>(size - from)));
      seen = size;
    }
  }
  if (all) feed_->flush();
}

// --- all runs
// --------------------------------------------------------------------------------------

ScriptRuns::ScriptRuns(EventLoop& loop, JobRegistry& jobs, ScriptPreparer& preparer,
                       ScriptLibrary& library, ProgressTicker& ticker)
    : loop_(loop),
      jobs_(jobs),
      preparer_(preparer),
      library_(library),
      ticker_(ticker),
      sweep_(loop, [this] { over_.clear(); }),
      tidy_timer_(loop, [this] { tidy_some(); }) {
  jobs_.on_output([this](const std::string& id) { output_grew(id); },
                  [this](const std::string& id) { return wants_output(id); });
}

ScriptRuns::~ScriptRuns() = default;

void ScriptRuns::start(std::shared_ptr<mcp::ToolCall> call, ScriptRequest request,
                       RunOptions options) {
  const std::uint64_t number = ++last_number_;
  const auto timeout = request.timeout;
  const auto run =
      std::make_shared<Run>(*this, number, std::move(call), std::move(options), timeout);
  runs_[number] = run;
  if (!run->begin(std::move(request))) forget(number);
}

void ScriptRuns::go_on(std::shared_ptr<mcp::ToolCall> call, const Job& job, AnswerForm form) {
  const std::uint64_t number = ++last_number_;
  RunOptions options;
  options.form = std::move(form);
  const auto run = std::make_shared<Run>(*this, number, std::move(call), std::move(options),
                                         std::chrono::milliseconds(0));
  runs_[number] = run;
  run->follow(job);
}

void ScriptRuns::forget(std::uint64_t number) {
  const auto found = runs_.find(number);
  if (found == runs_.end()) return;
  over_.push_back(std::move(found->second));
  runs_.erase(found);
  sweep_.start(std::chrono::milliseconds(0));
}

bool ScriptRuns::wants_output(const std::string& job_id) const {
  return std::any_of(runs_.begin(), runs_.end(),
                     [&](const auto& run) { return run.second->wants_output(job_id); });
}

void ScriptRuns::output_grew(const std::string& job_id) {
  for (const auto& [number, run] : runs_) run->output_grew(job_id);
}

void ScriptRuns::tidy_first(std::size_t count) {
  std::vector<std::string> ids;
  const auto end = leftovers_.begin() + static_cast<std::ptrdiff_t>(count);
  for (auto each = leftovers_.begin(); each != end; ++each) {
    if (!each->job_id.empty()) ids.push_back(each->job_id);
    if (each->autosaved) library_.annotate(*each->autosaved, each->annotation);
  }
  leftovers_.erase(leftovers_.begin(), end);
  if (!ids.empty()) jobs_.remove(ids);
}

void ScriptRuns::tidy() {
  tidy_timer_.stop();
  tidy_first(leftovers_.size());
  library_.write_sidecars();
}

// A few in one turn of the loop: others are answered in between.
void ScriptRuns::tidy_some() {
  tidy_first(std::min(leftovers_.size(), kTidiedPerTurn));
  const bool more = library_.write_one_sidecar();
  if (more || !leftovers_.empty()) tidy_timer_.start(std::chrono::milliseconds(1));
}

void ScriptRuns::cancel_foreground() {
  const auto runs = runs_;  // cancelling may forget
  for (const auto& [number, run] : runs) {
    if (run->is_foreground() && !run->lasts()) run->cancel();
  }
}

}  // namespace pyember::host

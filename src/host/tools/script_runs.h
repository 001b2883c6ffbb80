#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/jobs/job_registry.h"
#include "host/loop/uv_handle.h"
#include "host/scripts/script_library.h"
#include "host/scripts/script_preparer.h"
#include "host/tools/progress.h"
#include "host/tools/run_answer.h"
#include "host/tools/tool_answer.h"
#include "mcp/tool.h"

namespace pyember::host {

// The registry, or why there is none.
using JobSource = std::function<Result<JobRegistry*>()>;

// SMART_ASYNC_TIMEOUT_SECONDS as it is now: seconds a call may take before it goes on in the
// background; 0: for ever.
double smart_async_budget();

enum class RunMode {
  Foreground,  // answered when it ends, or when the budget is used up
  Pending,     // async_mode: answered at once
  Started,     // the *_async tools: answered when it runs, or is known to need an environment first
};

struct RunOptions {
  AnswerForm form;
  RunMode mode = RunMode::Foreground;
  std::string label;  // empty: the tool's name
  bool stream = false;
  bool with_dependencies = false;
  std::size_t max_output_chars = 0;
};

// The execution tools' calls under way, from the arguments to the answer, and the runs of calls
// that were answered early.
//
// A run becomes a job when it starts, so that it survives this server; a run that ends while its
// caller waits is answered whole and its job removed again, so that listings hold only what
// somebody has to come back for: what went to the background, was cancelled, or had its output cut.
// Cancelling the call cancels its run. A call that becomes a task has a job from then on, which
// stays, and waits for its end however long that takes; server after server, if need be. Loop's
// thread only.
class ScriptRuns {
 public:
  ScriptRuns(EventLoop& loop, JobRegistry& jobs, ScriptPreparer& preparer, ScriptLibrary& library,
             ProgressTicker& ticker);
  ~ScriptRuns();

  void start(std::shared_ptr<mcp::ToolCall> call, ScriptRequest request, RunOptions options);
  // The call is a task whose job another server has started: it is answered as that would have.
  void go_on(std::shared_ptr<mcp::ToolCall> call, const Job& job, AnswerForm form);

  // Forgets the jobs of runs that were answered whole, and notes how they ended. Done a little
  // later by itself, so that no caller waits for it; whoever lists jobs does it first.
  void tidy();
  // The server ends in order: runs that somebody waits for are cancelled; background ones go on,
  // and so do tasks.
  void cancel_foreground();

 private:
  class Run;
  void forget(std::uint64_t number);
  bool wants_output(const std::string& job_id) const;
  void output_grew(const std::string& job_id);

  EventLoop& loop_;
  JobRegistry& jobs_;
  ScriptPreparer& preparer_;
  ScriptLibrary& library_;
  ProgressTicker& ticker_;
  std::map<std::uint64_t, std::shared_ptr<Run>> runs_;  // shared: callbacks hold them weakly
  std::vector<std::shared_ptr<Run>> over_;  // destroyed in a later turn, not in their own callbacks
  Timer sweep_;
  struct Leftover {
    std::string job_id;  // to be forgotten; empty: none
    std::optional<ScriptLibrary::Saved> autosaved;
    mcp::Json annotation;
  };
  void tidy_some();
  void tidy_first(std::size_t count);
  std::vector<Leftover> leftovers_;
  Timer tidy_timer_;
  std::uint64_t last_number_ = 0;
};

}  // namespace pyember::host

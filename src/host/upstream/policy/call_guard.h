#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "host/loop/event_loop.h"
#include "host/questions/cell_clock.h"
#include "host/upstream/policy/policy.h"
#include "host/upstream/policy/tool_pins.h"
#include "mcp/json.h"
#include "mcp/tool.h"

namespace pyember::host {

// What the person behind a run has been asked and has said. One for each run; shared by the run and
// the questions that are open.
struct RunConsent {
  std::string session;                  // named in questions
  std::weak_ptr<mcp::ToolCall> client;  // who runs the code; gone or answered: nobody can be asked
  std::set<std::pair<std::string, std::string>> allowed = {};  // server, tool: in this whole run
  std::set<std::string> refused_changes = {};                  // ids of ToolPins::Change
  std::shared_ptr<CellClock> clock = {};  // stands still while a question is open; null: none does
};

// Decides whether code may make a call of an upstream: what the policy says, what has changed of
// the server's tools, and, where one of them wants it, what the person behind the client answers.
// Who can't be asked has not said yes: then the call is denied.
//
// Of one tool a run has one question open at a time; calls that come meanwhile are asked about
// together in the next one, unless the answer is for all of them. A question that nobody answers
// within limits::kQuestionDeadline is withdrawn, and counts as no.
//
// Loop's thread only. Policy and pins outlive it. Destroyed with questions open, it drops them
// without a word.
class CallGuard {
 public:
  CallGuard(EventLoop& loop, const Policy& policy, ToolPins& pins);
  ~CallGuard();
  CallGuard(const CallGuard&) = delete;
  CallGuard& operator=(const CallGuard&) = delete;

  struct Call {
    UpstreamSubject subject = UpstreamSubject::Tool;
    std::string server;  // as configured
    std::string alias;
    std::string name;                        // the tool's own name, a URI, a prompt's name
    const mcp::Json* annotations = nullptr;  // of the tool; read before check() returns
    const mcp::Json* arguments = nullptr;    // shown in questions, shortened; the same
  };
  // No error: the call may be made. Else why not, in three parts (kind "denied" in code).
  using Done = std::function<void(Result<void>)>;

  // Calls `done` once, most often before it returns (then 0 is returned), unless cancelled. A
  // server's tools must have been listed (ToolPins::seen) before: start it first.
  std::uint64_t check(const std::shared_ptr<RunConsent>& run, const Call& call, Done done);

  // The call is not wanted any more: its `done` is not called, and a question about nothing else
  // is withdrawn. Nothing, if there is none of that number.
  void cancel(std::uint64_t check);

  // runtime.accept_tools(server, id): the change that a denied call has shown is accepted. Where
  // the person can be asked, he is.
  std::uint64_t accept_tools(const std::shared_ptr<RunConsent>& run, const std::string& server,
                             const std::string& id, Done done);

 private:
  struct Waiting;
  struct Topic;
  using Run = std::shared_ptr<RunConsent>;

  std::uint64_t after_change(const Run& run, Waiting&& waiting);
  std::uint64_t wait_for(const Run& run, const std::string& about, Waiting&& waiting);
  void ask(Topic& topic);
  std::unique_ptr<Topic> take(std::uint64_t topic);
  void follow(Topic& before);
  void unanswered(std::uint64_t topic);
  void answered(std::uint64_t topic, const Result<mcp::Answer>& answer);
  void settle(Topic& topic, const Result<mcp::Answer>& answer);
  void allowed(Topic& topic);
  void accepted(Topic& topic);
  void refused(Topic& topic, const std::string& why);
  std::string message_of(const Topic& topic) const;

  EventLoop& loop_;
  const Policy& policy_;
  ToolPins& pins_;
  const std::shared_ptr<bool> alive_;  // answers may come when this is gone
  std::list<std::unique_ptr<Topic>> topics_;
  std::uint64_t last_ = 0;
};

}  // namespace pyember::host

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "host/loop/event_loop.h"
#include "host/loop/uv_handle.h"
#include "host/upstream/policy/policy.h"
#include "host/upstream/policy/tool_pins.h"
#include "mcp/json.h"
#include "mcp/tool.h"

namespace pyember::host {

// What the person behind a run has been asked and has said. One for each run; shared by the run and
// the questions that are open.
struct RunConsent {
  std::weak_ptr<mcp::ToolCall> client;  // expired or answered: nobody can be asked any more
  std::set<std::pair<std::string, std::string>> allowed;  // server, tool: in this whole run
  std::set<std::string> refused_changes;                  // ids of ToolPins::Change
};

// Decides whether code may make a call of an upstream: what the policy says, what has changed of
// the server's tools, and, where one of them wants it, what the person behind the client answers.
// Who can't be asked has not said yes: then the call is denied.
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

  // The call is not wanted any more: its question is withdrawn, its `done` not called.
  void cancel(std::uint64_t check);

  // runtime.accept_tools(server, id): the change that a denied call has shown is accepted. Where
  // the person can be asked, he is. The error says why not.
  std::uint64_t accept_tools(const std::shared_ptr<RunConsent>& run, const std::string& server,
                             const std::string& id, Done done);

 private:
  struct Open;

  EventLoop& loop_;
  const Policy& policy_;
  ToolPins& pins_;
  std::map<std::uint64_t, std::unique_ptr<Open>> open_;
  std::uint64_t last_ = 0;
};

}  // namespace pyember::host

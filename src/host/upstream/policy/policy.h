#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "mcp/json.h"

// Which calls of upstream servers code may make, as the user wrote it into a file (docs/policy.md).
namespace pyember::host {

// What code wants of an upstream.
enum class UpstreamSubject { Tool, Resource, Prompt };

// What a rule says about it. Later ones are stricter.
enum class PolicyAction {
  Allow,
  AskWrites,  // only in rules: allowed if the tool says that it only reads, else asked
  Ask,        // the person behind the client is asked each time
  Deny,
};

struct PolicyDecision {
  PolicyAction action = PolicyAction::Allow;  // Allow, Ask or Deny
  std::string rule;  // where it is written: servers.github.tools["delete_*"]; empty: nowhere
};

// What happens when a server's tools are not what they were.
enum class ToolChanges {
  Ask,    // shown, before those that write are called again
  Allow,  // nothing but a line in the log
};

// A policy as it was read: a value, the same for the server's whole life. Without a file everything
// is allowed, as many times a run as limits::kUpstreamCallsPerRun says.
class Policy {
 public:
  Policy() = default;

  // The policy in `text`; `name` is what errors call it. What is not understood (an unknown member,
  // an action that is none, a number out of range) is an error, never skipped: a rule that was
  // mistyped must not let anything through.
  static Result<Policy> parse(std::string_view text, const std::string& name);

  // The file at `path`. One that isn't there is the empty policy, unless it was `asked_for`; one
  // that can't be read or understood is an error with what to do.
  enum class Wanted { IfThere, AskedFor };
  static Result<Policy> load(const std::string& path, Wanted wanted);

  // `server` is the configured name; rules may name its alias as well. `name` is the tool's own
  // name (as the upstream lists it), a resource's URI or a prompt's name. `annotations`: of the
  // tool, as the upstream claims them; null or another type: none.
  PolicyDecision decide(std::string_view server, std::string_view alias, UpstreamSubject subject,
                        std::string_view name, const mcp::Json& annotations) const;
  ToolChanges tool_changes(std::string_view server, std::string_view alias) const;

  // Calls of tools one run may make: at least 1.
  std::size_t calls_per_run() const { return calls_per_run_; }
  const std::string& source() const { return source_; }  // its file; empty: there is none

  // Names of servers in rules (no patterns) that are none of these: most likely mistyped.
  std::vector<std::string> unknown_servers(const std::vector<std::string>& known) const;

 private:
  struct Rule {
    std::string pattern;  // of tools' names
    PolicyAction action = PolicyAction::Allow;
  };
  struct ServerRules {
    std::string pattern;  // of servers' names
    std::vector<Rule> tools;
    std::optional<PolicyAction> otherwise, resources, prompts;
    std::optional<ToolChanges> changes;
  };
  friend class PolicyReader;

  std::string source_;
  std::vector<ServerRules> servers_;
  std::optional<PolicyAction> otherwise_ = PolicyAction::Allow;
  std::optional<ToolChanges> changes_ = ToolChanges::Ask;
  std::size_t calls_per_run_ = limits::kUpstreamCallsPerRun;
};

}  // namespace pyember::host

#include "host/upstream/policy/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "base/small_file.h"
#include "host/upstream/config/json_with_comments.h"
#include "mcp/errors.h"

// Which rule counts. A rule that names a tool goes before one that speaks for a whole server, and
// among equals the more exact one: a name before a pattern, and of two patterns the one with more
// characters that are no wildcards. Rules that are equally exact: the stricter one.
namespace pyember::host {

using mcp::Json;

namespace {

bool is_wildcard(char character) { return character == '*' || character == '?'; }

bool is_pattern(std::string_view text) {
  return std::any_of(text.begin(), text.end(), is_wildcard);
}

// `*` is any text, `?` any one byte.
bool fits(std::string_view pattern, std::string_view text) {
  std::size_t at = 0;
  std::size_t in_text = 0;
  std::size_t star = std::string_view::npos;
  std::size_t after_star = 0;
  while (in_text < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      after_star = in_text;
    } else if (at < pattern.size() && (pattern[at] == '?' || pattern[at] == text[in_text])) {
      ++at;
      ++in_text;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      in_text = ++after_star;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

// As names look in code: rules are often written by who has seen them there.
std::string in_code(std::string_view name) {
  std::string result;
  for (const char each : name) {
    const auto byte = static_cast<unsigned char>(each);
    const bool kept = std::isalnum(byte) != 0 || is_wildcard(each);
    result += kept ? static_cast<char>(std::tolower(byte)) : '_';
  }
  while (!result.empty() && result.back() == '_') result.pop_back();
  return result;
}

bool names(const std::string& pattern, std::string_view name) {
  return fits(pattern, name) || fits(in_code(pattern), in_code(name));
}

// How exact a pattern is: more is more.
std::size_t exactness(std::string_view pattern) {
  if (!is_pattern(pattern)) return std::string_view::npos;
  return static_cast<std::size_t>(std::count_if(
      pattern.begin(), pattern.end(), [](char character) { return !is_wildcard(character); }));
}

std::optional<PolicyAction> action_called(std::string_view word) {
  constexpr std::array<std::pair<std::string_view, PolicyAction>, 4> kWords = {
      {{"allow", PolicyAction::Allow},
       {"ask", PolicyAction::Ask},
       {"ask-writes", PolicyAction::AskWrites},
       {"deny", PolicyAction::Deny}}};
  for (const auto& [name, action] : kWords) {
    if (word == name) return action;
  }
  return std::nullopt;
}

bool only_reads(const Json& annotations) {
  if (!annotations.is_object()) return false;
  const auto hint = annotations.find("readOnlyHint");
  return hint != annotations.end() && hint->is_boolean() && hint->get<bool>();
}

// Keeps what counts most of what it is shown.
class Choice {
 public:
  // `rule`: how the place of it is written, when it is the one that counts.
  template <typename Place>
  void consider(std::size_t server, std::size_t tool, PolicyAction action, const Place& rule) {
    const auto rank = std::make_tuple(server, tool, static_cast<int>(action));
    if (best_ && rank <= rank_) return;
    rank_ = rank;
    best_ = PolicyDecision{action, rule()};
  }
  std::optional<PolicyDecision>& best() { return best_; }

 private:
  std::optional<PolicyDecision> best_;
  std::tuple<std::size_t, std::size_t, int> rank_;
};

}  // namespace

// Reads a policy's JSON; stops at the first mistake, which is a path and what is wrong there.
class PolicyReader {
 public:
  explicit PolicyReader(Policy& policy) : policy_(policy) {}

  // Empty: it was understood.
  std::string read(const Json& file) {
    if (!file.is_object()) return "it is no JSON object";
    for (const auto& [name, value] : file.items()) {
      if (!read_member(name, value)) return problem_;
    }
    return {};
  }

 private:
  using ServerRules = Policy::ServerRules;

  bool wrong(const std::string& where, std::string_view what) {
    problem_ = fmt::format("{} {}", where, what);
    return false;
  }

  bool read_member(const std::string& name, const Json& value) {
    if (name == "default") return read_action(name, value, policy_.otherwise_);
    if (name == "tool_changes") return read_changes(name, value, policy_.changes_);
    if (name == "max_calls_per_run") return read_count(name, value);
    if (name == "servers") return read_servers(value);
    if (name == "$schema" || name == "description") return true;
    return wrong(mcp::in_quotes(name),
                 "is no member of a policy (default, servers, tool_changes, max_calls_per_run)");
  }

  bool read_action(const std::string& where, const Json& value,
                   std::optional<PolicyAction>& action) {
    action.reset();
    if (value.is_string()) action = action_called(value.get_ref<const std::string&>());
    return action || wrong(where, "is none of \"allow\", \"ask\", \"ask-writes\", \"deny\"");
  }

  bool read_changes(const std::string& where, const Json& value,
                    std::optional<ToolChanges>& changes) {
    const std::string word = value.is_string() ? value.get<std::string>() : "";
    changes.reset();
    if (word == "ask") changes = ToolChanges::Ask;
    if (word == "allow") changes = ToolChanges::Allow;
    return changes || wrong(where, "is neither \"ask\" nor \"allow\"");
  }

  bool read_count(const std::string& where, const Json& value) {
    const bool whole = value.is_number_unsigned();
    const std::uint64_t count = whole ? value.get<std::uint64_t>() : 0;
    if (count < 1 || count > limits::kMaximumCallsPerRun) {
      return wrong(where,
                   fmt::format("is no whole number from 1 to {}", limits::kMaximumCallsPerRun));
    }
    policy_.calls_per_run_ = count;
    return true;
  }

  bool read_servers(const Json& value) {
    if (!value.is_object()) return wrong("servers", "is no object of servers' names");
    for (const auto& [name, rules] : value.items()) {
      ServerRules server{.pattern = name};
      if (!read_server("servers." + name, rules, server)) return false;
      policy_.servers_.push_back(std::move(server));
    }
    return true;
  }

  bool read_server(const std::string& where, const Json& value, ServerRules& server) {
    if (value.is_string()) return read_action(where, value, server.otherwise);
    if (!value.is_object()) return wrong(where, "is neither an action nor an object of rules");
    for (const auto& [name, rule] : value.items()) {
      if (!read_rule(where, name, rule, server)) return false;
    }
    return true;
  }

  bool read_rule(const std::string& where, const std::string& name, const Json& rule,
                 ServerRules& server) {
    const std::string place = where + '.' + name;
    if (name == "default") return read_action(place, rule, server.otherwise);
    if (name == "resources") return read_action(place, rule, server.resources);
    if (name == "prompts") return read_action(place, rule, server.prompts);
    if (name == "tool_changes") return read_changes(place, rule, server.changes);
    if (name == "tools") return read_tools(place, rule, server);
    if (name == "description") return true;
    return wrong(where + " has the member " + mcp::in_quotes(name) + ", which",
                 "is none of default, tools, resources, prompts, tool_changes");
  }

  bool read_tools(const std::string& where, const Json& value, ServerRules& server) {
    if (!value.is_object()) return wrong(where, "is no object of tools' names");
    for (const auto& [name, rule] : value.items()) {
      std::optional<PolicyAction> action;
      if (!read_action(fmt::format("{}[\"{}\"]", where, name), rule, action)) return false;
      server.tools.push_back({name, *action});
    }
    return true;
  }

  Policy& policy_;
  std::string problem_;
};

namespace {

// A name that an object of the text has twice, of which a reader drops one; empty: none has.
std::string name_said_twice(std::string_view text) {
  std::vector<std::set<std::string>> objects;
  std::string twice;
  const auto look = [&](int, Json::parse_event_t event, const Json& value) {
    if (event == Json::parse_event_t::object_start) objects.emplace_back();
    if (event == Json::parse_event_t::object_end) objects.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto& name = value.get_ref<const std::string&>();
      if (!objects.back().insert(name).second) twice = name;
    }
    return true;
  };
  constexpr bool kThrow = false;
  static_cast<void>(Json::parse(without_comments(text), look, kThrow));
  return twice;
}

Error unusable(const std::string& name, const std::string& why) {
  return {
      ErrorCode::InvalidArgument,
      fmt::format("The policy for calls of upstream servers in {} can't be used: {}. Correct "
                  "it (docs/policy.md says how it is written); without that nothing is started, "
                  "so that no call passes which it was to stop.",
                  name, why)};
}

}  // namespace

Result<Policy> Policy::parse(std::string_view text, const std::string& name) {
  const Result<Json> json = parse_json_with_comments(text);
  if (!json) return unusable(name, json.error().message);
  if (const std::string twice = name_said_twice(text); !twice.empty()) {
    return unusable(name, fmt::format("it says {} twice in one object", mcp::in_quotes(twice)));
  }
  Policy policy;
  policy.source_ = name;
  if (const std::string problem = PolicyReader(policy).read(json.value()); !problem.empty()) {
    return unusable(name, problem);
  }
  return policy;
}

Result<Policy> Policy::load(const std::string& path, Wanted wanted) {
  struct stat status {};
  if (path.empty() || stat(path.c_str(), &status) != 0) {
    const bool missing = path.empty() || errno == ENOENT || errno == ENOTDIR;
    if (missing && wanted == Wanted::IfThere) return Policy();
    return unusable(path, missing ? "there is no such file" : "it can't be looked at");
  }
  if (!S_ISREG(status.st_mode)) return unusable(path, "it is no regular file");
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return unusable(path, "it can't be read by this user");
  const std::string text = read_small_file(path.c_str(), limits::kPolicyFileBytes + 1);
  if (text.size() > limits::kPolicyFileBytes) {
    return unusable(path, fmt::format("it is longer than {} bytes", limits::kPolicyFileBytes));
  }
  return parse(text, path);
}

PolicyDecision Policy::decide(std::string_view server, std::string_view alias,
                              UpstreamSubject subject, std::string_view name,
                              const Json& annotations) const {
  Choice choice;
  Choice general;
  for (const ServerRules& rules : servers_) {
    if (!names(rules.pattern, server) && !names(rules.pattern, alias)) continue;
    const std::size_t exact = exactness(rules.pattern);
    const auto place = [&rules](std::string_view member) {
      return fmt::format("servers.{}.{}", rules.pattern, member);
    };
    if (subject == UpstreamSubject::Tool) {
      for (const Rule& tool : rules.tools) {
        if (!names(tool.pattern, name)) continue;
        choice.consider(exact, exactness(tool.pattern), tool.action,
                        [&] { return place(fmt::format("tools[\"{}\"]", tool.pattern)); });
      }
    }
    const bool resource = subject == UpstreamSubject::Resource;
    const auto& own = resource                             ? rules.resources
                      : subject == UpstreamSubject::Prompt ? rules.prompts
                                                           : rules.otherwise;
    const auto& counts = own ? own : rules.otherwise;
    if (counts) {
      general.consider(exact, 0, *counts, [&] {
        return place(!own || subject == UpstreamSubject::Tool ? "default"
                     : resource                               ? "resources"
                                                              : "prompts");
      });
    }
  }
  if (!choice.best()) choice.best() = std::move(general.best());
  if (!choice.best()) choice.best() = PolicyDecision{*otherwise_, source_.empty() ? "" : "default"};
  PolicyDecision decision = std::move(*choice.best());
  if (decision.action == PolicyAction::AskWrites) {
    const bool reads = subject != UpstreamSubject::Tool || only_reads(annotations);
    decision.action = reads ? PolicyAction::Allow : PolicyAction::Ask;
  }
  return decision;
}

ToolChanges Policy::tool_changes(std::string_view server, std::string_view alias) const {
  std::optional<ToolChanges> found;
  std::size_t best = 0;
  for (const ServerRules& rules : servers_) {
    if (!rules.changes) continue;
    if (!names(rules.pattern, server) && !names(rules.pattern, alias)) continue;
    const std::size_t exact = exactness(rules.pattern);
    const bool stricter = exact == best && rules.changes == ToolChanges::Ask;
    if (!found || exact > best || stricter) {
      found = rules.changes;
      best = exact;
    }
  }
  return found.value_or(*changes_);
}

std::vector<std::string> Policy::unknown_servers(const std::vector<std::string>& known) const {
  std::vector<std::string> unknown;
  for (const ServerRules& rules : servers_) {
    const bool meant = std::any_of(known.begin(), known.end(), [&rules](const std::string& each) {
      return names(rules.pattern, each);
    });
    if (!meant && !is_pattern(rules.pattern)) unknown.push_back(rules.pattern);
  }
  return unknown;
}

}  // namespace pyember::host

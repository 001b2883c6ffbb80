#pragma once

#include <string>
#include <string_view>
#include <vector>

// What a token's scopes let its bearer call:
//   tools:*     every tool
//   sessions    run_python and the tools of sessions
//   scripts     the script executor's tools: scripts, jobs, environments, benchmarks
//   code        run_python alone
//   tool:NAME   that tool
// and what it lets them see:
//   metrics     the numbers of the whole server; no other scope has them
// A scope that is none of these lets nothing be called. Names are the listed ones, not aliases.
namespace pyember::host {

inline constexpr std::string_view kEverything = "tools:*";
inline constexpr std::string_view kMetrics = "metrics";

// In the order in which they are offered: what a server says it supports. Without `metrics`, which
// clients have no use for.
const std::vector<std::string>& offered_scopes();

bool may_call(const std::vector<std::string>& scopes, std::string_view tool);
bool may_see_metrics(const std::vector<std::string>& scopes);

// The scope that a client should ask for to call this tool: the smallest one that is offered.
std::string scope_for(std::string_view tool);

// Whether it means anything here.
bool is_scope(std::string_view scope);

// Its words, each once: at most limits::kAccessScopes of at most limits::kAccessScopeBytes.
std::vector<std::string> split_scopes(std::string_view text);

}  // namespace pyember::host

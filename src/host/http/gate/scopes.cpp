#include "host/http/gate/scopes.h"

#include <algorithm>
#include <array>

#include "base/limits.h"

// The lists below are held against what the server lists by tests/e2e/test_http_refusals.py.

namespace pyember::host {

namespace {

constexpr std::string_view kSessions = "sessions";
constexpr std::string_view kScripts = "scripts";
constexpr std::string_view kCode = "code";
constexpr std::string_view kTool = "tool:";
constexpr std::string_view kRunPython = "run_python";

constexpr std::array<std::string_view, 13> kSessionTools = {
    kRunPython,      "list_sessions", "inspect_session", "interrupt_session", "reset_session",
    "close_session", "save_session",  "restore_session", "fork_session",      "undo_session",
    "put_file",      "list_files",    "export_session"};

constexpr std::array<std::string_view, 23> kScriptTools = {"run_script_in_dir",
                                                           "run_script_with_dependencies",
                                                           "run_script_in_dir_async",
                                                           "run_script_with_dependencies_async",
                                                           "py_run_saved_script",
                                                           "py_list_scripts",
                                                           "py_view_script",
                                                           "py_save_script",
                                                           "py_job_status",
                                                           "py_list_jobs",
                                                           "py_cancel_job",
                                                           "py_prune_jobs",
                                                           "get_job_output",
                                                           "list_running_jobs",
                                                           "kill_job",
                                                           "cleanup_jobs",
                                                           "benchmark_script",
                                                           "run_script_profile",
                                                           "format_code",
                                                           "static_analysis",
                                                           "environment_cache_list",
                                                           "environment_create_persistent",
                                                           "environment_remove"};

template <typename Tools>
bool has(const Tools& tools, std::string_view tool) {
  return std::find(tools.begin(), tools.end(), tool) != tools.end();
}

bool lets_call(std::string_view scope, std::string_view tool) {
  if (scope == kEverything) return true;
  if (scope == kSessions) return has(kSessionTools, tool);
  if (scope == kScripts) return has(kScriptTools, tool);
  if (scope == kCode) return tool == kRunPython;
  return scope.starts_with(kTool) && scope.substr(kTool.size()) == tool;
}

}  // namespace

const std::vector<std::string>& offered_scopes() {
  static const std::vector<std::string> scopes{std::string(kEverything), std::string(kSessions),
                                               std::string(kScripts), std::string(kCode)};
  return scopes;
}

bool may_call(const std::vector<std::string>& scopes, std::string_view tool) {
  return std::any_of(scopes.begin(), scopes.end(),
                     [tool](const std::string& scope) { return lets_call(scope, tool); });
}

bool may_see_metrics(const std::vector<std::string>& scopes) { return has(scopes, kMetrics); }

std::string scope_for(std::string_view tool) {
  if (tool == kRunPython) return std::string(kCode);
  if (has(kSessionTools, tool)) return std::string(kSessions);
  return std::string(has(kScriptTools, tool) ? kScripts : kEverything);
}

bool is_scope(std::string_view scope) {
  const std::vector<std::string>& offered = offered_scopes();
  if (scope == kMetrics || has(offered, scope)) return true;
  return scope.starts_with(kTool) && scope.size() > kTool.size() &&
         scope.size() <= limits::kAccessScopeBytes &&
         std::all_of(scope.begin(), scope.end(), [](unsigned char each) {
           return each > ' ' && each < 0x7f && each != '"' && each != '\\';
         });
}

std::vector<std::string> split_scopes(std::string_view text) {
  std::vector<std::string> scopes;
  while (scopes.size() < limits::kAccessScopes) {
    const std::size_t begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) break;
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    text.remove_prefix(end);
    if (word.size() <= limits::kAccessScopeBytes && !has(scopes, word)) scopes.emplace_back(word);
  }
  return scopes;
}

}  // namespace pyember::host

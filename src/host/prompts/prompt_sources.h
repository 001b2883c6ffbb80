#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "host/jobs/job_registry.h"
#include "host/scripts/script_library.h"
#include "host/session/session_registry.h"
#include "mcp/resources.h"

namespace pyember::host {

// A job as a prompt tells of it. Texts are the ends of what it printed.
struct JobReport {
  std::string label;
  std::string status;
  std::string error;  // empty: none
  std::string uri;    // of the whole output
  std::string output;
  std::string errors;
};

// What prompts and completions know of the server they are of. One that is empty has nothing to
// tell. Called on the loop's thread, each time a person types; none of them waits.
struct PromptSources {
  using Names = std::function<std::vector<std::string>()>;

  Names sessions;
  Names jobs;  // ids, newest first
  Names scripts;
  // The path of a saved script; empty: there is none of that name.
  std::function<std::string(const std::string& name)> script_path;
  std::function<std::optional<JobReport>(const std::string& id)> job;
  std::function<std::vector<mcp::ResourceTemplate>()> templates;
};

// What a server knows. All outlive the sources; null: the profile has no scripts.
PromptSources prompt_sources(const SessionRegistry& sessions, JobRegistry& jobs,
                             const ScriptLibrary* scripts, mcp::ResourceCatalog& resources);

}  // namespace pyember::host

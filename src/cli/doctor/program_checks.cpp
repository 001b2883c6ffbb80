#include "cli/doctor/program_checks.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "base/limits.h"
#include "cli/doctor/command_output.h"
#include "host/boundaries/bubblewrap.h"
#include "host/environments/environments.h"
#include "host/http/http_module.h"
#include "host/options.h"
#include "host/services/packages_directory.h"

namespace pyember::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* kPython = "Sessions";
constexpr const char* kScripts = "Scripts";
constexpr const char* kContainers = "Isolation (optional)";

bool is_folder(const std::string& path) {
  std::error_code failed;
  return fs::is_directory(path, failed);
}

void add_runtime_directory(Findings& findings, const std::string& folder) {
  if (is_folder(folder + "/mcp_runtime")) {
    findings.push_back({kPython, "runtime package", FindingState::Ok, folder, ""});
    return;
  }
  findings.push_back({kPython, "runtime package", FindingState::Problem,
                      fmt::format("there is no mcp_runtime in {}", folder),
                      "Install pyember again, or name the folder with PYEMBER_RUNTIME_DIR."});
}

// One line of what a program says about its version.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

void add_program(Findings& findings, host::EventLoop& loop, const std::string& name,
                 const std::string& path, FindingState when_broken, const std::string& advice) {
  const CommandOutput version = output_of(loop, {path, "--version"});
  if (version.ok) {
    const std::string detail = fmt::format("{} ({})", first_line(version.text), path);
    findings.push_back({kScripts, name, FindingState::Ok, detail, ""});
  } else {
    findings.push_back(
        {kScripts, name, when_broken, fmt::format("{} {}", path, version.error), advice});
  }
}

constexpr const char* kInstallUv =
    "Install it: curl -LsSf https://astral.sh/uv/install.sh | sh, or: pip install uv. Without it "
    "scripts run with use_uv=false alone, and without dependencies.";

void add_uv(Findings& findings, host::EventLoop& loop) {
  const Result<std::string> uv = host::find_uv();
  if (uv) return add_program(findings, loop, "uv", uv.value(), FindingState::Problem, kInstallUv);
  findings.push_back({kScripts, "uv", FindingState::Problem,
                      "not on PATH, in ~/.local/bin or in ~/.cargo/bin", kInstallUv});
}

void add_system_python(Findings& findings, host::EventLoop& loop) {
  constexpr const char* kAdvice = "Put a python3 on PATH; scripts with use_uv=false need it.";
  const Result<std::string> python = host::find_system_python();
  if (python) {
    return add_program(findings, loop, "system Python", python.value(), FindingState::Warning,
                       kAdvice);
  }
  findings.push_back(
      {kScripts, "system Python", FindingState::Warning, "no python or python3 on PATH", kAdvice});
}

void add_dotenv(Findings& findings) {
  const std::string folder = host::find_packages_directory();
  if (!folder.empty() && is_folder(folder + "/dotenv")) {
    findings.push_back({kScripts, "python-dotenv", FindingState::Ok, folder, ""});
    return;
  }
  findings.push_back({kScripts, "python-dotenv", FindingState::Warning,
                      "not found, so env_file is refused",
                      "Install it beside the server (uv pip install --target FOLDER python-dotenv) "
                      "and name the folder with PYEMBER_PACKAGES."});
}

void add_writable(Findings& findings, const std::string& name, const std::string& folder,
                  FindingState otherwise, const std::string& advice) {
  constexpr std::uint64_t kLittleSpace = 1ull << 30;
  std::error_code failed;
  fs::path there = folder;
  while (!fs::exists(there, failed) && there.has_relative_path()) there = there.parent_path();
  const char* state = there == fs::path(folder) ? "" : " (made when it is needed)";
  if (access(there.c_str(), W_OK | X_OK) != 0) {
    findings.push_back({"Storage", name, otherwise,
                        fmt::format("{} can't be written to", there.string()), advice});
    return;
  }
  const fs::space_info space = fs::space(there, failed);
  if (!failed && space.available < kLittleSpace) {
    findings.push_back({"Storage", name, FindingState::Warning,
                        fmt::format("{}: {} MB left on its disk", folder, space.available >> 20),
                        "Free some space: output and environments are kept there."});
    return;
  }
  findings.push_back({"Storage", name, FindingState::Ok, folder + state, ""});
}

}  // namespace

const char* to_string(FindingState state) {
  switch (state) {
    case FindingState::Ok:
      return "ok";
    case FindingState::Note:
      return "note";
    case FindingState::Warning:
      return "warning";
    case FindingState::Problem:
      return "problem";
  }
  return "";
}

void add_python_findings(Findings& findings, const RuntimeFactory& start_runtime) {
  const std::string runtime_directory = host::find_runtime_directory();
  add_runtime_directory(findings, runtime_directory);
  const Result<host::PythonEnvironment> environment = host::find_environment("");
  embed::RuntimeOptions options;
  options.python_executable = environment.value().executable;
  options.runtime_directory = runtime_directory;
  options.spare_interpreters = 0;
  const auto began = std::chrono::steady_clock::now();
  // It is never destroyed: its threads go with the process.
  const embed::Runtime* runtime = start_runtime(std::move(options)).release();
  embed::RuntimeHealth health = runtime->health();
  while (!health.started && health.start_error.empty() &&
         std::chrono::steady_clock::now() - began < limits::kDoctorPythonDeadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    health = runtime->health();
  }
  if (health.started) {
    findings.push_back(
        {kPython, "embedded Python", FindingState::Ok,
         fmt::format("{} starts ({})", PYEMBER_PYTHON_VERSION, PYEMBER_PYTHON_EXECUTABLE), ""});
  } else {
    findings.push_back(
        {kPython, "embedded Python", FindingState::Problem,
         health.start_error.empty() ? "did not start in time" : health.start_error,
         fmt::format("Is {} still the Python that pyember was built for? Build or install pyember "
                     "again when it has been replaced.",
                     PYEMBER_PYTHON_EXECUTABLE)});
  }
  const std::string& warning = environment.value().warning;
  if (!warning.empty()) {
    findings.push_back({kPython, "environment", FindingState::Warning, warning, ""});
  } else if (!environment.value().root.empty()) {
    findings.push_back({kPython, "environment", FindingState::Ok, environment.value().root, ""});
  } else {
    findings.push_back({kPython, "environment", FindingState::Note,
                        "none: sessions import the standard library and their working directory",
                        "To give them packages: pyember serve --env FOLDER, or a .venv where the "
                        "server is started."});
  }
}

void add_script_findings(Findings& findings, host::EventLoop& loop) {
  const std::string runner = host::find_runner();
  if (runner.empty() || access(runner.c_str(), X_OK) != 0) {
    findings.push_back({kScripts, "runner", FindingState::Problem,
                        runner.empty() ? "pyember-runner was not found" : runner + " is no program",
                        "Install pyember again, or name it with PYEMBER_RUNNER."});
  } else {
    findings.push_back({kScripts, "runner", FindingState::Ok, runner, ""});
  }
  add_uv(findings, loop);
  add_system_python(findings, loop);
  add_dotenv(findings);
}

void add_container_findings(Findings& findings) {
  if (const auto sandbox = host::sandbox_available(); sandbox) {
    findings.push_back({kContainers, "sandbox", FindingState::Ok,
                        fmt::format("one was started ({})", host::find_bubblewrap()), ""});
  } else {
    findings.push_back({kContainers, "sandbox", FindingState::Note, sandbox.error().message, ""});
  }
  for (const char* program : {"podman", "docker"}) {
    const std::string path = program_on_path(program);
    if (path.empty()) {
      findings.push_back({kContainers, program, FindingState::Note, "not on PATH",
                          "For isolation='container' one of podman and docker is enough."});
    } else {
      findings.push_back({kContainers, program, FindingState::Ok, path, ""});
    }
  }
}

void add_http_findings(Findings& findings) {
  constexpr const char* kHttp = "HTTP (optional)";
  if (const auto module = host::HttpModule::load(); module) {
    findings.push_back({kHttp, "HTTP module", FindingState::Ok, host::find_http_module(), ""});
  } else {
    findings.push_back({kHttp, "HTTP module", FindingState::Note, module.error().message, ""});
  }
}

void add_storage_findings(Findings& findings) {
  add_writable(findings, "jobs", host::find_jobs_directory(), FindingState::Problem,
               "No job can be kept, so no script can be run. Give yourself the right to write "
               "there, or set PYTHON_MCP_META to another folder.");
  add_writable(findings, "environments", host::find_environments_directory(), FindingState::Problem,
               "No environment can be made for scripts. Give yourself the right to write there, or "
               "set XDG_CACHE_HOME.");
}

}  // namespace pyember::cli

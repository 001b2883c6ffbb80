#include "host/scripts/script_preparer.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <utility>

#include "base/descriptor.h"
#include "base/file_io.h"
#include "base/limits.h"
#include "base/own_environment.h"
#include "host/loop/uv_handle.h"
#include "host/scripts/project.h"
#include "host/scripts/script_header.h"
#include "host/scripts/text_file.h"
#include "mcp/json_members.h"

// A preparation is a chain of steps, some of which wait for an answer (of the server's Python, of
// uv): read the .env file, scan the imports, make the environment. Between two steps it is held
// under its number only, so that cancelling it is forgetting it: an answer that comes later finds
// nothing. The first step runs in a later turn of the loop, so that a caller has the number before
// `done` can come.
namespace pyember::host {

using mcp::Json;
using mcp::texts_in;

namespace {

constexpr const char* kUvRun = "uv-run";
constexpr const char* kSystemPython = "system-python";

// `given` is the path as the caller wrote it, `path` what became of it.
Error missing(const char* what, const std::string& given, const std::string& path,
              const std::string& against) {
  const bool absolute = given.starts_with('/') || given.starts_with('~');
  return Error{
      ErrorCode::NotFound,
      fmt::format("{} {} does not exist{}.\nCheck the path; it may be absolute, begin with "
                  "~, or be relative to {}.",
                  what, path, absolute ? "" : fmt::format(" (relative to {})", against), against)};
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

// An interpreter of an environment finds its console scripts, as under `uv run`.
void enter_environment(std::map<std::string, std::string>& variables,
                       const ReadyEnvironment& ready) {
  const std::string scripts = folder_of(ready.python);
  std::string& path = variables["PATH"];
  path = path.empty() ? scripts : scripts + ":" + path;
  if (is_regular_file(ready.root + "/pyvenv.cfg")) {
    variables["VIRTUAL_ENV"] = ready.root;
  } else {
    variables.erase("VIRTUAL_ENV");
  }
}

// Where inline code lies behind a boundary.
std::string inside_name(const ScriptLibrary::Saved& saved) {
  return fmt::format("{}/{}", kScriptFolder, saved.name);
}

// In memory: another user reads it, and its copy in the library is this user's alone.
Result<std::shared_ptr<const Descriptor>> file_with(const std::string& text) {
  auto file = std::make_shared<Descriptor>(memfd_create("pyember-script", MFD_CLOEXEC));
  if (file->valid() && write_all(file->get(), text)) {
    return std::shared_ptr<const Descriptor>(std::move(file));
  }
  return Error{ErrorCode::Unavailable,
               fmt::format("The script was not run: its code can't be handed on ({}). Free memory "
                           "and descriptors of the server, then try again.",
                           strerror(errno))};
}

}  // namespace

class ScriptPreparer::Impl {
 public:
  Impl(EventLoop& loop, ScriptLibrary& library, PythonServices& services,
       Environments& environments, const ScriptBoundaries& boundaries)
      : library_(library),
        services_(services),
        environments_(environments),
        boundaries_(boundaries),
        soon_(loop, [this] { start_waiting(); }),
        later_(loop, [this] { write_sidecars(); }) {}

  Result<std::uint64_t> prepare(ScriptRequest request, Done done, Known known);
  void cancel(std::uint64_t number);

 private:
  struct Preparation {
    ScriptRequest request;
    Done done;
    Known known;
    PreparedScript script;
    std::string source;                 // when it was needed
    std::optional<std::string> python;  // asked for, or inferred; none: uv's choice
    bool has_header = false;
    std::optional<std::string> project;
    ScriptPlaces places;           // behind a boundary, as the two below
    std::string environment_root;  // empty: none
    std::shared_ptr<const void> environment_in_use;
    std::uint64_t environment_request = 0;

    bool is_bounded() const { return script.boundary != Boundary::None; }
  };

  Result<void> check(Preparation& preparation);
  Result<void> check_named_paths(const ScriptRequest& request, const std::string& here) const;
  Result<void> look_for_places(Preparation& preparation);
  void note_rights(Preparation& preparation);
  Result<void> enclose(Preparation& preparation, const std::string& script_path);
  Result<void> find_script(Preparation& preparation);
  Result<void> save_inline(Preparation& preparation);
  void start_waiting();
  void write_sidecars();
  void read_environment_file(std::uint64_t number);
  void choose(std::uint64_t number);
  void use_system_python(std::uint64_t number);
  Result<void> look_at_source(Preparation& preparation);
  void scan_imports(std::uint64_t number);
  void choose_command(std::uint64_t number);
  void use_uv_run(std::uint64_t number);
  void use_environment(std::uint64_t number);
  void finish(std::uint64_t number);
  void fail(std::uint64_t number, PreparationFailure failure);
  void fail(std::uint64_t number, Error error) {
    fail(number, PreparationFailure{std::move(error), {}, {}});
  }
  Preparation* find(std::uint64_t number) {
    const auto found = preparations_.find(number);
    return found == preparations_.end() ? nullptr : found->second.get();
  }

  ScriptLibrary& library_;
  PythonServices& services_;
  Environments& environments_;
  const ScriptBoundaries& boundaries_;
  Timer soon_;
  Timer later_;
  std::deque<std::uint64_t> waiting_;
  std::map<std::uint64_t, std::unique_ptr<Preparation>> preparations_;
  std::uint64_t last_number_ = 0;
};

// --- what can be said at once ------------------------------------------------------------------

Result<std::uint64_t> ScriptPreparer::Impl::prepare(ScriptRequest request, Done done, Known known) {
  auto preparation = std::make_unique<Preparation>();
  preparation->request = std::move(request);
  preparation->done = std::move(done);
  preparation->known = std::move(known);
  if (Result<void> checked = check(*preparation); !checked) return checked.error();
  const std::uint64_t number = ++last_number_;
  preparations_[number] = std::move(preparation);
  waiting_.push_back(number);
  if (waiting_.size() == 1) soon_.start(std::chrono::milliseconds(0));
  return number;
}

Result<void> ScriptPreparer::Impl::check(Preparation& preparation) {
  ScriptRequest& request = preparation.request;
  if (request.script_path.has_value() == request.script_content.has_value()) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("{} given: provide exactly one.\nscript_path names a file, "
                             "script_content is the source itself.",
                             request.script_path ? "script_path and script_content were both"
                                                 : "neither script_path nor script_content was")};
  }
  const std::string here = working_directory();
  if (auto named = check_named_paths(request, here); !named) return named;
  std::string& cwd = preparation.script.spec.working_directory;
  cwd = here;
  if (request.directory) {
    cwd = resolved_path(*request.directory, here);
    if (!is_directory(cwd)) return missing("the directory", *request.directory, cwd, here);
  }
  if (request.env_file) {
    const std::string path = resolved_path(*request.env_file, here);
    if (!is_regular_file(path)) return missing("the env_file", *request.env_file, path, here);
    request.env_file = path;
  }
  const Result<Boundary> boundary = boundaries_.choose(request.isolation);
  if (!boundary) return boundary.error();
  preparation.script.boundary = boundary.value();
  if (request.script_path) {
    if (auto found = find_script(preparation); !found) return found;
  }
  if (preparation.is_bounded()) {
    if (auto found = look_for_places(preparation); !found) return found;
  }
  return request.script_path ? Result<void>{} : save_inline(preparation);
}

// Before anything is said of what is there. What lies in the library the call did not name by a
// path.
Result<void> ScriptPreparer::Impl::check_named_paths(const ScriptRequest& request,
                                                     const std::string& here) const {
  const CallerPaths& named = boundaries_.named();
  if (named.any) return {};
  if (request.env_file) {
    const std::string path = resolved_path(*request.env_file, here);
    if (auto checked = named.check_reading("env_file", path, "Give env_vars."); !checked) {
      return checked;
    }
  }
  if (request.keeps_directory) return {};
  const std::string base = request.directory ? resolved_path(*request.directory, here) : here;
  if (request.directory) {
    constexpr const char* kInstead =
        "Name the folder of your own scripts (py_save_script answers with a path in it), or use "
        "run_script_with_dependencies, which needs none.";
    if (auto checked = named.check_reading("directory", base, kInstead); !checked) return checked;
  }
  if (request.script_path) {
    constexpr const char* kInstead =
        "Give script_content, or save the script with py_save_script and run it by its name.";
    const std::string path = resolved_path(*request.script_path, base);
    if (auto checked = named.check_reading("script_path", path, kInstead); !checked) return checked;
  }
  return {};
}

// In a sandbox code may do in a folder what the folder's owner may; container runtimes offer no
// such thing that all of them have.
void ScriptPreparer::Impl::note_rights(Preparation& preparation) {
  for (const AllowedPath& each : preparation.places.shown) {
    struct stat status {};
    if (!each.writable || stat(each.outside.c_str(), &status) != 0) continue;
    if ((status.st_mode & S_IWOTH) != 0) continue;
    preparation.script.notes.push_back(fmt::format(
        "code in the container is another user, and may write to {} what everybody may: nothing",
        each.inside));
  }
}

// A script behind a boundary is run by an interpreter that is found, or made, outside: neither
// `uv run` nor anything that the caller names is executed here.
Result<void> ScriptPreparer::Impl::look_for_places(Preparation& preparation) {
  ScriptRequest& request = preparation.request;
  if (request.python_version && request.python_version->find('/') != std::string::npos) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("python_version='{}' is a path, and behind a boundary no program that "
                             "a call names is run outside of it.\nGive a version such as '3.12'.",
                             *request.python_version)};
  }
  NamedPlaces named;
  if (request.directory) named.directory = preparation.script.spec.working_directory;
  named.keeps_directory = request.keeps_directory;
  if (request.script_path) named.script_path = preparation.script.script_path;
  named.env_file = request.env_file;
  Result<ScriptPlaces> places = boundaries_.places(named);
  if (!places) return places.error();
  preparation.places = places.take();
  preparation.script.notes = preparation.places.notes;
  if (preparation.script.boundary == Boundary::Container) note_rights(preparation);
  for (const std::string& each : request.helpers) preparation.places.shown.push_back({each, each});
  request.interpreter_itself = true;
  return {};
}

Result<void> ScriptPreparer::Impl::find_script(Preparation& preparation) {
  const std::string& base = preparation.script.spec.working_directory;
  const std::string path = resolved_path(*preparation.request.script_path, base);
  if (!is_regular_file(path)) {
    if (is_directory(path)) {
      return Error{ErrorCode::NotFound,
                   fmt::format("the script {} is a directory.\nName the file in it to run.", path)};
    }
    return missing("the script", *preparation.request.script_path, path, base);
  }
  preparation.script.script_path = path;
  return {};
}

Result<void> ScriptPreparer::Impl::save_inline(Preparation& preparation) {
  ScriptRequest& request = preparation.request;
  if (request.script_content->size() > limits::kMaximumScriptBytes) {
    return Error{
        ErrorCode::LimitReached,
        fmt::format("script_content has {} bytes, and at most {} are taken.\nWrite it to a "
                    "file and give script_path.",
                    request.script_content->size(), limits::kMaximumScriptBytes)};
  }
  Result<ScriptLibrary::Saved> saved =
      library_.autosave(request.tool, *request.script_content, request.parameters);
  if (!saved) return saved.error();
  preparation.script.script_path = saved.value().path;
  preparation.script.autosaved = saved.take();
  preparation.source = std::move(*request.script_content);
  return {};
}

void ScriptPreparer::Impl::cancel(std::uint64_t number) {
  const auto found = preparations_.find(number);
  if (found == preparations_.end()) return;
  const std::uint64_t request = found->second->environment_request;
  preparations_.erase(found);
  if (request != 0) environments_.cancel(request);
}

// --- the variables -----------------------------------------------------------------------------

// One a turn of the loop, because it may end in a run's start, for which its job is written down:
// when hundreds wait, others are answered in between.
void ScriptPreparer::Impl::start_waiting() {
  if (waiting_.empty()) return;
  const std::uint64_t number = waiting_.front();
  waiting_.pop_front();
  // By then a run that needs nothing has begun.
  if (!later_.active()) later_.start(std::chrono::milliseconds(2));
  // A timer of 0 ms would come due in this same turn.
  if (!waiting_.empty()) soon_.start(std::chrono::milliseconds(1));
  Preparation* preparation = find(number);
  if (preparation == nullptr) return;
  preparation->script.spec.timeout = preparation->request.timeout;
  preparation->script.spec.limits = preparation->request.limits;
  preparation->script.spec.sample_interval = preparation->request.sample_interval;
  if (!preparation->is_bounded()) {
    for (const auto& [name, value] : own_environment()) {
      preparation->script.spec.environment.emplace(name, value);
    }
  }
  if (preparation->request.env_file) {
    read_environment_file(number);
  } else {
    choose(number);
  }
}

// One a turn of the loop: others are answered in between.
void ScriptPreparer::Impl::write_sidecars() {
  if (library_.write_one_sidecar()) later_.start(std::chrono::milliseconds(1));
}

void ScriptPreparer::Impl::read_environment_file(std::uint64_t number) {
  Preparation& preparation = *find(number);
  Json arguments = Json::object();
  arguments["path"] = *preparation.request.env_file;
  // Behind a boundary code has no variables of the server's, not by ${NAME} either.
  arguments["server_variables"] = !preparation.is_bounded();
  services_.call("parse_env_file", std::move(arguments), [this, number](Result<Json> parsed) {
    Preparation* found = find(number);
    if (found == nullptr) return;
    if (!parsed) return fail(number, parsed.error());
    const Json values = parsed.value().value("values", Json::object());
    for (const auto& [name, value] : values.items()) {
      if (value.is_string()) found->script.spec.environment[name] = value.get<std::string>();
    }
    choose(number);
  });
}

void ScriptPreparer::Impl::choose(std::uint64_t number) {
  Preparation& preparation = *find(number);
  auto& variables = preparation.script.spec.environment;
  // What was printed before a timeout or a kill must be there to be read.
  variables.emplace("PYTHONUNBUFFERED", "1");
  for (auto& [name, value] : preparation.request.env_vars) variables[name] = value;
  if (preparation.script.autosaved && preparation.request.directory) {
    // Inline code runs from its saved copy; what lies in `directory` is to be importable all the
    // same, as if the script lay there.
    std::string& path = variables["PYTHONPATH"];
    path = preparation.script.spec.working_directory + (path.empty() ? "" : ":" + path);
  }
  if (!preparation.request.use_uv) return use_system_python(number);
  if (Result<void> looked = look_at_source(preparation); !looked) {
    return fail(number, looked.error());
  }
  scan_imports(number);
}

void ScriptPreparer::Impl::use_system_python(std::uint64_t number) {
  Preparation& preparation = *find(number);
  Result<std::string> python = find_system_python();
  if (!python) return fail(number, python.error());
  PreparedScript& script = preparation.script;
  script.strategy = kSystemPython;
  script.spec.command.push_back(python.take());
  finish(number);
}

// --- what the script needs -----------------------------------------------------------------------

Result<void> ScriptPreparer::Impl::look_at_source(Preparation& preparation) {
  if (!preparation.script.autosaved) {
    Result<std::string> source =
        read_text_file(preparation.script.script_path, limits::kMaximumScriptBytes);
    if (!source) return source.error();
    preparation.source = source.take();
  }
  const ScriptRequest& request = preparation.request;
  preparation.script.strategy = kUvRun;
  preparation.script.dependencies = request.dependencies;
  preparation.has_header = has_script_header(preparation.source);
  const std::string& cwd = preparation.script.spec.working_directory;
  if (!request.ignore_project && !request.interpreter_itself) {
    preparation.project = find_project(cwd);
  }
  // Behind a boundary a project is not installed, but the packages it names are there.
  if (!request.ignore_project && preparation.is_bounded()) preparation.project = find_project(cwd);
  preparation.python = request.python_version;
  if (!preparation.python && request.directory) preparation.python = required_python(cwd);
  // A script with inline metadata may name its own version: the default must not overrule it.
  if (!preparation.python && !request.default_python_version.empty() &&
      !(preparation.has_header &&
        preparation.source.find("requires-python") != std::string::npos)) {
    preparation.python = request.default_python_version;
  }
  preparation.script.python_version = preparation.python.value_or("");
  return {};
}

// A script with inline metadata says itself what it needs: to `uv run`, or to us where the
// interpreter itself is to be started.
void ScriptPreparer::Impl::scan_imports(std::uint64_t number) {
  Preparation& preparation = *find(number);
  const ScriptRequest& request = preparation.request;
  const bool imports = preparation.source.find("import") != std::string::npos;
  const bool reads_header = preparation.has_header && request.interpreter_itself;
  const bool scans = request.scan_imports && imports && !preparation.has_header;
  const bool reads_project = preparation.is_bounded() && preparation.project.has_value();
  if (!reads_header && !scans && !reads_project) return choose_command(number);
  Json arguments = Json::object();
  arguments["source"] = preparation.source;
  arguments["path"] = preparation.script.script_path;
  arguments["directory"] = preparation.script.spec.working_directory;
  if (preparation.python) arguments["python_version"] = *preparation.python;
  arguments["dependencies"] = request.dependencies;
  arguments["scan"] = scans;
  if (reads_project && !preparation.has_header) arguments["project"] = *preparation.project;
  services_.call("inspect_script", std::move(arguments), [this, number](Result<Json> inspected) {
    Preparation* found = find(number);
    if (found == nullptr) return;
    // Code that can't be parsed is run all the same: its own error says what is wrong with it.
    if (inspected.ok()) {
      found->script.auto_added = texts_in(inspected.value(), "imports_added");
      const Json header = inspected.value().value("header", Json());
      for (const std::string& each : texts_in(header, "dependencies")) {
        found->script.dependencies.push_back(each);
      }
      for (const std::string& each : texts_in(inspected.value(), "project_dependencies")) {
        found->script.dependencies.push_back(each);
      }
      if (found->is_bounded() && !found->python) {
        found->python = minor_version_in(mcp::text_in(header, "requires_python"));
      }
      for (const std::string& each : found->script.auto_added) {
        found->script.dependencies.push_back(each);
      }
    }
    choose_command(number);
  });
}

void ScriptPreparer::Impl::choose_command(std::uint64_t number) {
  Preparation& preparation = *find(number);
  const auto known = std::exchange(preparation.known, nullptr);
  if (known) known(preparation.script);
  if (find(number) == nullptr) return;  // cancelled by what it was told
  const bool by_uv = !preparation.request.interpreter_itself &&
                     (preparation.has_header || preparation.project.has_value());
  by_uv ? use_uv_run(number) : use_environment(number);
}

void ScriptPreparer::Impl::use_uv_run(std::uint64_t number) {
  Preparation& preparation = *find(number);
  Result<std::string> uv = find_uv();
  if (!uv) return fail(number, uv.error());
  PreparedScript& script = preparation.script;
  std::vector<std::string> command = {uv.take(), "run", "--quiet"};
  if (preparation.python) command.insert(command.end(), {"--python", *preparation.python});
  if (!script.auto_added.empty() && !preparation.has_header) command.push_back("--isolated");
  // Named, because uv would look for a project where the script lies.
  if (preparation.project && !preparation.has_header) {
    command.insert(command.end(), {"--project", *preparation.project});
  }
  for (const std::string& each : script.dependencies) {
    command.insert(command.end(), {"--with", each});
  }
  if (preparation.has_header) command.push_back("--script");
  script.spec.command = std::move(command);
  finish(number);
}

void ScriptPreparer::Impl::use_environment(std::uint64_t number) {
  Preparation& preparation = *find(number);
  EnvironmentKey key{preparation.python.value_or(""), preparation.script.dependencies};
  key.wheels_only = preparation.is_bounded();
  const auto done = [this, number](std::optional<ReadyEnvironment> ready,
                                   EnvironmentFailure failure) {
    Preparation* found = find(number);
    if (found == nullptr) return;
    found->environment_request = 0;
    if (!ready) {
      PreparationFailure why;
      if (failure.missing) why.error = *failure.missing;
      why.environment = std::move(failure);
      why.dependencies = found->script.dependencies;
      return fail(number, std::move(why));
    }
    PreparedScript& script = found->script;
    script.spec.command.push_back(ready->python);
    if (script.python_version.empty()) script.python_version = ready->version;
    script.locked = ready->locked;
    script.setup_seconds = ready->setup_seconds;
    if (found->is_bounded()) {
      if (is_regular_file(ready->root + "/pyvenv.cfg")) found->environment_root = ready->root;
      found->environment_in_use = ready->in_use;
    } else {
      enter_environment(script.spec.environment, *ready);
    }
    finish(number);
  };
  const std::uint64_t request = environments_.prepare(std::move(key), done);
  if (Preparation* waits = find(number)) waits->environment_request = request;
}

// --- the end -----------------------------------------------------------------------------------

void ScriptPreparer::Impl::finish(std::uint64_t number) {
  Preparation& preparation = *find(number);
  const auto known = std::exchange(preparation.known, nullptr);
  if (known) known(preparation.script);
  if (find(number) == nullptr) return;
  PreparedScript& script = preparation.script;
  std::string path = script.script_path;
  if (preparation.is_bounded()) {
    if (!preparation.request.script_path) path = inside_name(*script.autosaved);
    if (auto enclosed = enclose(preparation, path); !enclosed) {
      return fail(number, enclosed.error());
    }
  }
  const std::unique_ptr<Preparation> owned = std::move(preparations_.at(number));
  preparations_.erase(number);
  ScriptRequest& request = owned->request;
  std::vector<std::string>& command = script.spec.command;
  command.insert(command.end(), request.interpreter_options.begin(),
                 request.interpreter_options.end());
  command.push_back(path);
  command.insert(command.end(), request.arguments.begin(), request.arguments.end());
  owned->done(std::move(script), {});
}

Result<void> ScriptPreparer::Impl::enclose(Preparation& preparation,
                                           const std::string& script_path) {
  RunSpec& spec = preparation.script.spec;
  Enclosed enclosed;
  enclosed.python = spec.command.front();
  enclosed.environment_root = preparation.environment_root;
  enclosed.shown = preparation.places.shown;
  enclosed.working_directory = preparation.places.working_directory;
  if (!preparation.request.script_path) {
    Result<std::shared_ptr<const Descriptor>> file = file_with(preparation.source);
    if (!file) return file.error();
    enclosed.file_path = script_path;
    enclosed.file = file.take();
  }
  if (preparation.environment_in_use) spec.held.push_back(preparation.environment_in_use);
  return boundaries_.enclose(preparation.script.boundary, enclosed, spec);
}

void ScriptPreparer::Impl::fail(std::uint64_t number, PreparationFailure failure) {
  const std::unique_ptr<Preparation> owned = std::move(preparations_.at(number));
  preparations_.erase(number);
  owned->done(std::nullopt, std::move(failure));
}

ScriptPreparer::ScriptPreparer(EventLoop& loop, ScriptLibrary& library, PythonServices& services,
                               Environments& environments, const ScriptBoundaries& boundaries)
    : impl_(std::make_unique<Impl>(loop, library, services, environments, boundaries)) {}
ScriptPreparer::~ScriptPreparer() = default;

Result<std::uint64_t> ScriptPreparer::prepare(ScriptRequest request, Done done, Known known) {
  return impl_->prepare(std::move(request), std::move(done), std::move(known));
}

void ScriptPreparer::cancel(std::uint64_t preparation) { impl_->cancel(preparation); }

}  // namespace pyember::host

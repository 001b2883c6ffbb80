#include <utility>

#include "base/limits.h"
#include "host/apps/view_resources.h"
#include "host/tools/arguments.h"
#include "host/tools/executor_tools.h"
#include "host/tools/script_schemas.h"

namespace pyember::host {

using mcp::Json;

namespace {

using Call = std::shared_ptr<mcp::ToolCall>;

constexpr const char* kDefaultVersion = "3.12";  // of the tools that make environments

// What differs between the execution tools.
struct Kind {
  const char* name;
  const char* title;
  const char* description;
  bool in_directory = false;
  bool with_dependencies = false;
  bool saved = false;    // runs from scripts/
  bool started = false;  // *_async
};

constexpr Kind kKinds[] = {
    {"run_script_in_dir", "Run script in directory",
     "Run a Python file or inline code in a directory. After 20 s it goes on as a job: "
     "py_job_status.",
     true},
    {"run_script_with_dependencies", "Run script with dependencies",
     "Run a Python file or inline code in a uv environment with these packages and those it "
     "imports.",
     false, true},
    {"run_script_in_dir_async", "Run script in directory (async)",
     "Start run_script_in_dir as a background job.", true, false, false, true},
    {"run_script_with_dependencies_async", "Run script with dependencies (async)",
     "Start run_script_with_dependencies as a background job.", false, true, false, true},
    {"py_run_saved_script", "Run saved script", "Run a saved script.", false, false, true},
};

Json input_schema(const Kind& kind, bool extended) {
  InputSchema schema(extended);
  if (kind.saved) {
    schema.text("script_name").required("script_name");
  } else {
    if (kind.in_directory) schema.text("directory").required("directory");
    schema.text("script_path", "or script_content").text("script_content");
  }
  schema.texts("args");
  if (kind.in_directory) schema.flag("use_uv", true).text("python_version");
  if (kind.with_dependencies) {
    schema.text("python_version", "default 3.12").texts("dependencies");
  }
  if (!kind.started) schema.integer("timeout_seconds", 300);
  schema.map("env_vars").text("env_file", "env_vars win");
  if (kind.started) {
    schema.flag("stream");
  } else {
    schema.flag("async_mode");
  }
  schema.text("job_label");
  if (kind.with_dependencies) {
    schema.flag("auto_parse_imports", true).flag("ignore_project_requirements", true);
  } else {
    schema.flag("auto_install_deps", true);
  }
  return schema.isolation().limits().take();
}

Json output_schema(const Kind& kind) {
  if (kind.started && kind.with_dependencies) {
    return object_of({{"job_id", text_type()},
                      {"status", text_type()},
                      {"python_version_used", text_type()},
                      {"resolved_dependencies", list_of(text_type())},
                      {"isolation?", text_type()}});
  }
  if (kind.started) {
    return object_of({{"job_id", text_type()},
                      {"status", text_type()},
                      {"execution_strategy", text_type()},
                      {"isolation?", text_type()}});
  }
  return one_of({kind.with_dependencies ? dependencies_result_schema() : run_result_schema(),
                 background_schema()});
}

Json tags_of(const Kind& kind) {
  if (kind.saved) return tags({"scripts", "run"});
  if (kind.started) return tags({"execution", "async", "stream"});
  if (kind.with_dependencies) return tags({"execution", "dependencies"});
  return tags({"execution"});
}

// What the arguments ask for, except for what is wrong with them.
Result<ScriptRequest> request_of(const Kind& kind, const Json& json, ScriptLibrary& library) {
  const Arguments arguments(json);
  ScriptRequest request;
  request.tool = kind.name;
  if (kind.saved) {
    const Result<StoredScript> script = library.find(arguments.text_or("script_name", ""), false);
    if (!script) return script.error();
    request.script_path = script.value().path;
    request.directory = library.scripts_directory();
    request.keeps_directory = true;
  } else {
    request.script_path = arguments.text("script_path");
    request.script_content = arguments.text("script_content");
  }
  if (kind.in_directory) {
    request.directory = arguments.text("directory");
    request.use_uv = arguments.flag("use_uv", true);
    request.ignore_project = false;
  }
  request.arguments = arguments.texts("args");
  request.python_version = arguments.text("python_version");
  request.scan_imports =
      arguments.flag(kind.with_dependencies ? "auto_parse_imports" : "auto_install_deps", true);
  if (kind.with_dependencies) {
    if (!request.python_version) request.default_python_version = kDefaultVersion;
    request.dependencies = arguments.texts("dependencies");
    request.ignore_project = arguments.flag("ignore_project_requirements", true);
  }
  request.env_file = arguments.text("env_file");
  Result<std::map<std::string, std::string>> variables = arguments.env_vars();
  if (!variables) return variables.error();
  request.env_vars = variables.take();
  if (!kind.started) {
    const Result<std::chrono::milliseconds> timeout = arguments.timeout();
    if (!timeout) return timeout.error();
    request.timeout = timeout.value();
  }
  const Result<RunLimits> limits = arguments.limits();
  if (!limits) return limits.error();
  request.limits = limits.value();
  request.isolation = arguments.text("isolation");
  request.parameters = json;
  return request;
}

void execute(const Kind& kind, const ExecutorParts& parts, const Call& call) {
  const Json& json = call->arguments();
  const Arguments arguments(json);
  RunOptions options;
  options.form = answer_form_like(*call, {kind.name, kind.title});
  options.label = arguments.text_or("job_label", "");
  options.stream = arguments.flag("stream", false);
  options.with_dependencies = kind.with_dependencies;
  options.mode = kind.started                          ? RunMode::Started
                 : arguments.flag("async_mode", false) ? RunMode::Pending
                                                       : RunMode::Foreground;
  const Result<std::size_t> budget = arguments.max_output_chars(parts.output_budget);
  if (!budget) return call->complete(fault_answer(options.form, fault_of(budget.error())));
  options.max_output_chars = budget.value();
  Result<ScriptRequest> request = request_of(kind, json, parts.library);
  if (!request) return call->complete(fault_answer(options.form, fault_of(request.error())));
  parts.runs.start(call, request.take(), std::move(options));
}

std::vector<std::string> aliases_of(const Kind& kind) {
  const std::string name = kind.name;
  if (name.starts_with("py_")) return {name.substr(3)};
  return {"py_" + name};
}

}  // namespace

void add_execution_tools(mcp::ToolCatalog& catalog, const ExecutorParts& parts) {
  for (const Kind& kind : kKinds) {
    mcp::Tool tool;
    tool.name = kind.name;
    tool.title = kind.title;
    tool.description = kind.description;
    tool.input_schema = input_schema(kind, parts.extended);
    tool.output_schema = output_schema(kind);
    tool.annotations = hints(Effect::Runs);
    tool.meta = tags_of(kind);
    if (kind.started) tool.meta = shown_by(kJobViewUri, std::move(tool.meta));
    tool.aliases = aliases_of(kind);
    tool.null_is_absent = true;
    // What is started as a job is answered with its id, whatever the client declares.
    tool.tasking = kind.started ? mcp::Tool::Tasking::Never : mcp::Tool::Tasking::Optional;
    tool.handler = [&kind, parts](const Call& call) { execute(kind, parts, call); };
    catalog.add(std::move(tool));
  }
}

}  // namespace pyember::host

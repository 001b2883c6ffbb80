#include "host/tools/benchmark_tools.h"

#include <fmt/format.h>

#include <utility>

#include "base/limits.h"
#include "host/apps/view_resources.h"
#include "host/tools/arguments.h"
#include "host/tools/benchmark_answer.h"
#include "host/tools/script_schemas.h"

namespace pyember::host {

using mcp::Json;

namespace {

using Call = std::shared_ptr<mcp::ToolCall>;

constexpr const char* kDefaultVersion = "3.12";  // of the tools that make environments
constexpr double kDefaultInterval = 0.05;        // seconds between two samples
constexpr std::int64_t kDefaultFunctions = 20;   // of a profile

Error bad_value(std::string what) { return Error{ErrorCode::InvalidArgument, std::move(what)}; }

// --- schemas -------------------------------------------------------------------------------------

Json compare_schema() {
  Json properties = Json::object();
  properties["script_path"] = text_type();
  properties["script_content"] = text_type();
  properties["args"] = list_of(text_type());
  properties["python_version"] = text_type();
  properties["dependencies"] = list_of(text_type());
  Json schema = type("object");
  schema["description"] = "another script or version; its verdict: faster, slower, no difference";
  schema["properties"] = std::move(properties);
  schema["additionalProperties"] = false;
  return schema;
}

void add_script(InputSchema& schema) {
  schema.text("script_path", "or script_content")
      .text("script_content")
      .texts("args")
      .text("python_version", "default 3.12")
      .texts("dependencies")
      .integer("timeout_seconds", 300)
      .map("env_vars")
      .text("env_file")
      .flag("async_mode")
      .text("job_label")
      .flag("auto_parse_imports", true)
      .isolation();
}

Json benchmark_schema(bool extended) {
  InputSchema schema(extended);
  add_script(schema);
  schema.number("sample_interval", kDefaultInterval);
  if (extended)
    schema.integer("repeat", 1).integer("warmup", 0).flag("profile").flag("curve", true);
  Json whole = schema.limits().take();
  if (extended) {
    // Their defaults depend on each other: as many as it takes, once there is a comparison.
    whole["properties"]["repeat"].erase("default");
    whole["properties"]["warmup"].erase("default");
    whole["properties"]["compare"] = compare_schema();
  }
  return whole;
}

Json profile_input_schema() {
  InputSchema schema(false);
  add_script(schema);
  schema.choice("sort", {"cumulative", "own", "calls"}).integer("limit", kDefaultFunctions);
  return schema.take();
}

// --- arguments -----------------------------------------------------------------------------------

Result<ScriptRequest> request_of(const char* tool, const Json& json) {
  const Arguments arguments(json);
  ScriptRequest request;
  request.tool = tool;
  request.script_path = arguments.text("script_path");
  request.script_content = arguments.text("script_content");
  request.arguments = arguments.texts("args");
  request.python_version = arguments.text("python_version");
  if (!request.python_version) request.default_python_version = kDefaultVersion;
  request.dependencies = arguments.texts("dependencies");
  request.scan_imports = arguments.flag("auto_parse_imports", true);
  request.interpreter_itself = true;
  request.env_file = arguments.text("env_file");
  Result<std::map<std::string, std::string>> variables = arguments.env_vars();
  if (!variables) return variables.error();
  request.env_vars = variables.take();
  const Result<std::chrono::milliseconds> timeout = arguments.timeout();
  if (!timeout) return timeout.error();
  request.timeout = timeout.value();
  const Result<RunLimits> limits = arguments.limits();
  if (!limits) return limits.error();
  request.limits = limits.value();
  request.isolation = arguments.text("isolation");
  request.parameters = json;
  // Each script has a sidecar of its own, and neither holds the other's source.
  if (json.contains("compare")) request.parameters["compare"].erase("script_content");
  return request;
}

// The compared script: what `compare` does not say is as for the other.
ScriptRequest candidate_of(const ScriptRequest& baseline, const Json& compare) {
  const Arguments arguments(compare);
  ScriptRequest request = baseline;
  if (compare.contains("script_path") || compare.contains("script_content")) {
    request.script_path = arguments.text("script_path");
    request.script_content = arguments.text("script_content");
  }
  if (compare.contains("args")) request.arguments = arguments.texts("args");
  if (compare.contains("dependencies")) request.dependencies = arguments.texts("dependencies");
  if (const auto version = arguments.text("python_version")) request.python_version = version;
  return request;
}

Result<std::optional<std::size_t>> count(const Arguments& arguments, const char* name,
                                         std::int64_t least) {
  constexpr std::int64_t kNone = -1;
  const std::int64_t given = arguments.integer(name, kNone);
  if (given == kNone) return std::optional<std::size_t>();
  if (given >= least && given <= static_cast<std::int64_t>(limits::kMaximumBenchmarkRuns)) {
    return std::optional(static_cast<std::size_t>(given));
  }
  return bad_value(fmt::format("{}={} can't be used.\nGive {} to {}, or leave it out.", name, given,
                               least, limits::kMaximumBenchmarkRuns));
}

Result<BenchmarkSettings> settings_of(const Json& json) {
  const Arguments arguments(json);
  BenchmarkSettings settings;
  Result<std::optional<std::size_t>> repeat = count(arguments, "repeat", 1);
  if (!repeat) return repeat.error();
  Result<std::optional<std::size_t>> warmup = count(arguments, "warmup", 0);
  if (!warmup) return warmup.error();
  settings.repeat = repeat.value();
  settings.warmup = warmup.value();
  settings.compare = json.contains("compare");
  settings.profile = arguments.flag("profile", false);
  settings.curve = arguments.flag("curve", true);
  return settings;
}

Result<RunOptions> run_options(const Call& call, const AnswerForm& form,
                               std::size_t output_budget) {
  const Arguments arguments(call->arguments());
  RunOptions options;
  options.form = answer_form_like(*call, form);
  options.label = arguments.text_or("job_label", "");
  options.with_dependencies = true;
  options.mode = arguments.flag("async_mode", false) ? RunMode::Pending : RunMode::Foreground;
  const Result<std::size_t> budget = arguments.max_output_chars(output_budget);
  if (!budget) return budget.error();
  options.max_output_chars = budget.value();
  return options;
}

// --- the tools -----------------------------------------------------------------------------------

Result<void> benchmark(const AnswerForm& form, const BenchmarkParts& parts, const Call& call) {
  const Json& json = call->arguments();
  BenchmarkOptions options;
  Result<RunOptions> run = run_options(call, form, parts.output_budget);
  if (!run) return run.error();
  options.run = run.take();
  const Result<BenchmarkSettings> settings = settings_of(json);
  if (!settings) return settings.error();
  options.settings = settings.value();
  options.sample_interval = Arguments(json).number("sample_interval", kDefaultInterval);
  if (!(options.sample_interval > 0) || options.sample_interval > 3600) {
    return bad_value(
        fmt::format("sample_interval={:g} can't be used.\nGive the seconds between two "
                    "samples of the memory; it has no influence on the peak.",
                    options.sample_interval));
  }
  Result<ScriptRequest> baseline = request_of(form.tool.c_str(), json);
  if (!baseline) return baseline.error();
  std::optional<ScriptRequest> candidate;
  if (options.settings.compare) candidate = candidate_of(baseline.value(), json["compare"]);
  parts.calls.start(call, baseline.take(), std::move(candidate), std::move(options));
  return {};
}

Result<void> profile(const AnswerForm& form, const BenchmarkParts& parts, const Call& call) {
  const Json& json = call->arguments();
  const Arguments arguments(json);
  BenchmarkOptions options;
  Result<RunOptions> run = run_options(call, form, parts.output_budget);
  if (!run) return run.error();
  options.run = run.take();
  options.settings.repeat = 0;
  options.settings.warmup = 0;
  options.settings.profile = true;
  options.settings.curve = false;
  const std::int64_t limit = arguments.integer("limit", kDefaultFunctions);
  if (limit < 1 || limit > static_cast<std::int64_t>(limits::kMaximumProfileFunctions)) {
    return bad_value(fmt::format("limit={} can't be used.\nGive 1 to {} functions.", limit,
                                 limits::kMaximumProfileFunctions));
  }
  options.profile_limit = static_cast<std::size_t>(limit);
  options.profile_order = arguments.text_or("sort", "cumulative");
  Result<ScriptRequest> request = request_of(form.tool.c_str(), json);
  if (!request) return request.error();
  parts.calls.start(call, request.take(), std::nullopt, std::move(options));
  return {};
}

using Handler = Result<void> (*)(const AnswerForm&, const BenchmarkParts&, const Call&);

void add(mcp::ToolCatalog& catalog, mcp::Tool tool, const BenchmarkParts& parts, Handler handler) {
  tool.annotations = hints(Effect::Runs);
  tool.aliases = {"py_" + tool.name};
  tool.null_is_absent = true;
  const AnswerForm form{tool.name, tool.title};
  tool.tasking = mcp::Tool::Tasking::Optional;
  tool.handler = [parts, form, handler](const Call& call) {
    const Result<void> begun = handler(form, parts, call);
    if (!begun)
      call->complete(fault_answer(answer_form_like(*call, form), fault_of(begun.error())));
  };
  catalog.add(std::move(tool));
}

}  // namespace

void add_benchmark_tools(mcp::ToolCatalog& catalog, const BenchmarkParts& parts) {
  mcp::Tool benchmark_tool;
  benchmark_tool.name = "benchmark_script";
  benchmark_tool.title = "Benchmark script";
  benchmark_tool.description =
      "Run a script in a uv environment and measure wall and CPU time and peak memory.";
  if (parts.extended) {
    benchmark_tool.description +=
        " repeat: statistics; compare: a second script, interleaved; profile: top functions.";
  }
  benchmark_tool.input_schema = benchmark_schema(parts.extended);
  benchmark_tool.output_schema =
      one_of({benchmark_result_schema(parts.extended), background_schema()});
  benchmark_tool.meta = shown_by(kBenchmarkViewUri, tags({"benchmark", "performance"}));
  add(catalog, std::move(benchmark_tool), parts, benchmark);
  if (!parts.extended) return;

  mcp::Tool profile_tool;
  profile_tool.name = "run_script_profile";
  profile_tool.title = "Profile script";
  profile_tool.description =
      "Run a script under cProfile and show the functions that take its time.";
  profile_tool.input_schema = profile_input_schema();
  Json schema = dependencies_result_schema();
  schema["properties"]["profile"] = profile_schema();
  profile_tool.output_schema = one_of({std::move(schema), background_schema()});
  profile_tool.meta = shown_by(kBenchmarkViewUri, tags({"benchmark", "profile"}));
  add(catalog, std::move(profile_tool), parts, profile);
}

}  // namespace pyember::host

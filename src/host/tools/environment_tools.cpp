#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/iso_time.h"
#include "base/limits.h"
#include "host/tools/arguments.h"
#include "host/tools/markdown.h"
#include "host/tools/quality_tools.h"
#include "host/tools/quality_work.h"
#include "host/tools/script_schemas.h"

namespace pyember::host {

using mcp::Json;

namespace {

using Call = std::shared_ptr<mcp::ToolCall>;

Json list(const std::vector<std::string>& texts) {
  Json array = Json::array();
  for (const std::string& each : texts) array.push_back(each);
  return array;
}

double in_mebibytes(std::uint64_t bytes) {
  const std::uint64_t tenths = bytes * 10 / 1048576;
  return static_cast<double>(tenths) / 10;
}

// --- environment_cache_list
// ------------------------------------------------------------------------

Json describe(const EnvironmentEntry& entry) {
  Json described = Json::object();
  described["id"] = entry.id;
  described["name"] = entry.name.empty() ? Json() : Json(entry.name);
  described["python_version"] = entry.python_version;
  described["dependencies"] = list(entry.dependencies);
  described["size_mb"] = in_mebibytes(entry.bytes);
  described["created_at"] = iso_time(entry.created_at);
  described["used_at"] = iso_time(entry.used_at);
  return described;
}

std::string list_markdown(const std::string& title, const Json& result) {
  return fmt::format("## {}\n\n{:.1f} MiB in all\n\n", title,
                     result["total_size_mb"].get<double>()) +
         table({{"id", "id"},
                {"name", "name"},
                {"python", "python_version"},
                {"dependencies", "dependencies"},
                {"MiB", "size_mb"},
                {"last used", "used_at"}},
               result["environments"], result["total"].get<std::size_t>());
}

void show_list(const QualityParts& parts, const AnswerForm& form, const Call& call) {
  std::vector<EnvironmentEntry> entries = parts.environments.list();
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return a.used_at > b.used_at; });
  std::uint64_t bytes = 0;
  Json shown = Json::array();
  for (const EnvironmentEntry& entry : entries) {
    bytes += entry.bytes;
    if (shown.size() < limits::kListedEnvironments) shown.push_back(describe(entry));
  }
  Json result = Json::object();
  result["environments"] = std::move(shown);
  result["total"] = entries.size();
  result["total_size_mb"] = in_mebibytes(bytes);
  call->complete(tool_answer(answer_form_like(*call, form), std::move(result), list_markdown));
}

// --- environment_create_persistent
// -----------------------------------------------------------------

Json describe(const std::string& name, const std::vector<std::string>& dependencies,
              const ReadyEnvironment& ready) {
  Json result = Json::object();
  result["name"] = name;
  result["python"] = ready.python;
  result["path"] = ready.root;
  result["python_version"] = ready.version;
  result["dependencies"] = list(dependencies);
  result["locked_dependencies"] = list(ready.locked);
  result["setup_seconds"] = ready.setup_seconds;
  return result;
}

void create(const QualityParts& parts, const AnswerForm& form, const Call& call) {
  const Arguments arguments(call->arguments());
  const AnswerForm asked = answer_form_like(*call, form);
  const std::string name = arguments.text_or("name", "");
  const std::vector<std::string> dependencies = arguments.texts("dependencies");
  std::shared_ptr<ProgressFeed> feed;  // a sign of life, while packages are fetched
  if (call->wants_progress()) feed = std::make_shared<ProgressFeed>(parts.ticker, call);
  const std::uint64_t request = parts.environments.prepare_named(
      name, EnvironmentKey{arguments.text_or("python_version", ""), dependencies},
      [call, asked, name, dependencies, feed](const std::optional<ReadyEnvironment>& ready,
                                              const EnvironmentFailure& failure) {
        if (ready) {
          return call->complete(
              tool_answer(asked, describe(name, dependencies, *ready), fields_markdown));
        }
        const Error error = failure.missing.value_or(
            Error{ErrorCode::Unavailable,
                  fmt::format("the environment could not be made: {}\nCorrect the dependencies or "
                              "the Python version, or check the network.",
                              failure.stderr_text)});
        call->complete(fault_answer(asked, fault_of(error)));
      });
  call->on_cancel([&environments = parts.environments, request] { environments.cancel(request); });
}

// --- environment_remove
// ----------------------------------------------------------------------------

void remove_unused(const QualityParts& parts, const AnswerForm& asked, const Call& call,
                   double days) {
  if (!(days >= 0) || days > 36500) {
    return call->complete(fault_answer(
        asked, fault_of({ErrorCode::InvalidArgument,
                         "ValueError: unused_days must be a number from 0 to 36500. Nothing was "
                         "removed; give another."})));
  }
  std::uint64_t bytes = 0;
  Json ids = Json::array();
  const auto age = std::chrono::seconds(static_cast<std::int64_t>(days * 86400));
  for (const EnvironmentEntry& entry : parts.environments.remove_unused(age)) {
    bytes += entry.bytes;
    ids.push_back(entry.id);
  }
  Json result = {{"removed", fmt::format("{} environments", ids.size())},
                 {"ids", std::move(ids)},
                 {"freed_mb", in_mebibytes(bytes)}};
  call->complete(tool_answer(asked, std::move(result), fields_markdown));
}

void remove(const QualityParts& parts, const AnswerForm& form, const Call& call) {
  const AnswerForm asked = answer_form_like(*call, form);
  const Json& arguments = call->arguments();
  const auto days = arguments.find("unused_days");
  const std::string name = Arguments(arguments).text_or("name", "");
  if (name.empty() && days != arguments.end() && days->is_number()) {
    return remove_unused(parts, asked, call, days->get<double>());
  }
  const Result<void> removed = parts.environments.remove(name);
  if (!removed) return call->complete(fault_answer(asked, fault_of(removed.error())));
  Json result = {{"removed", name}};
  call->complete(tool_answer(asked, std::move(result), fields_markdown));
}

using Handler = void (*)(const QualityParts&, const AnswerForm&, const Call&);

void add(mcp::ToolCatalog& catalog, mcp::Tool tool, const QualityParts& parts, Handler handler) {
  tool.null_is_absent = true;
  tool.meta = tags({"environments"});
  const AnswerForm form{tool.name, tool.title};
  tool.tasking = mcp::Tool::Tasking::Optional;
  tool.handler = [parts, form, handler](const Call& call) { handler(parts, form, call); };
  catalog.add(std::move(tool));
}

}  // namespace

void add_environment_tools(mcp::ToolCatalog& catalog, const QualityParts& parts) {
  mcp::Tool shown;
  shown.name = "environment_cache_list";
  shown.title = "Environments";
  shown.description = "List the uv environments kept for scripts and sessions: cached and named.";
  shown.input_schema = InputSchema(true).take();
  shown.output_schema = object_of({{"environments", list_of(type("object"))},
                                   {"total", type("integer")},
                                   {"total_size_mb", type("number")}});
  shown.annotations = hints(Effect::Reads);
  add(catalog, std::move(shown), parts, show_list);

  mcp::Tool made;
  made.name = "environment_create_persistent";
  made.title = "Create environment";
  made.description =
      "Make a named environment that stays until removed; answers with its interpreter's path.";
  made.input_schema = InputSchema(true)
                          .text("name")
                          .texts("dependencies")
                          .text("python_version")
                          .required("name")
                          .take();
  made.output_schema = object_of({{"name", text_type()},
                                  {"python", text_type()},
                                  {"path", text_type()},
                                  {"python_version", text_type()},
                                  {"dependencies", list_of(text_type())},
                                  {"locked_dependencies", list_of(text_type())},
                                  {"setup_seconds", type("number")}});
  made.annotations = hints(Effect::Writes);
  add(catalog, std::move(made), parts, create);

  mcp::Tool removed;
  removed.name = "environment_remove";
  removed.title = "Remove environment";
  removed.description =
      "Remove an environment by name or id, or the cached ones unused for so many days.";
  removed.input_schema = InputSchema(true).text("name").plain_integer("unused_days").take();
  removed.output_schema = object_of({{"removed", text_type()}});
  removed.annotations = hints(Effect::Destroys);
  add(catalog, std::move(removed), parts, remove);
}

}  // namespace pyember::host

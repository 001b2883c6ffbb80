#include <fmt/format.h>

#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "host/tools/arguments.h"
#include "host/tools/executor_tools.h"
#include "host/tools/markdown.h"
#include "host/tools/script_schemas.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::Json;
using mcp::text_in;

namespace {

using Call = std::shared_ptr<mcp::ToolCall>;

struct LibraryTool {
  ExecutorParts parts;
  AnswerForm form;
};

void answer(const Call& call, const LibraryTool& tool, Json structured, Renderer render) {
  call->complete(tool_answer(answer_form_like(*call, tool.form), std::move(structured), render));
}

void refuse(const Call& call, const LibraryTool& tool, const Error& error) {
  call->complete(fault_answer(answer_form_like(*call, tool.form), fault_of(error)));
}

// "requires-python=>=3.12; dependencies=requests, rich"; empty without a header.
std::string header_text(const Json& header) {
  if (!header.is_object()) return {};
  std::string text;
  for (const char* name : {"requires-python", "requires_python", "dependencies"}) {
    const auto value = header.find(name);
    if (value == header.end() || value->is_null()) continue;
    std::string shown;
    if (value->is_string()) shown = value->get<std::string>();
    for (std::size_t index = 0; value->is_array() && index < value->size(); ++index) {
      const Json& each = (*value)[index];
      shown += (index > 0 ? ", " : "") + (each.is_string() ? each.get<std::string>() : "");
    }
    const std::string key =
        std::string_view(name).starts_with("requires") ? "requires-python" : name;
    text += fmt::format("{}{}={}", text.empty() ? "" : "; ", key, shown);
  }
  return text;
}

// --- py_list_scripts -----------------------------------------------------------------------------

std::string list_markdown(const std::string& title, const Json& scripts) {
  return fmt::format("## {}\n\n{}", title,
                     table({{"name", "name"},
                            {"autosaved", "autosaved"},
                            {"created", "created_at"},
                            {"tool", "tool"},
                            {"docstring", "docstring"},
                            {"header", "header"},
                            {"path", "path"}},
                           scripts, scripts.size()));
}

Json listed(const StoredScript& script, const Json& inspected) {
  Json fields = Json::object();
  fields["name"] = script.name;
  fields["path"] = script.path;
  fields["docstring"] = text_in(inspected, "docstring");
  fields["header"] =
      header_text(inspected.is_object() ? inspected.value("header", Json(nullptr)) : Json(nullptr));
  if (script.autosaved) {
    fields["autosaved"] = true;
    fields["created_at"] = script.created_at;
    fields["tool"] = script.tool;
  }
  return fields;
}

void list_scripts(const Call& call, const LibraryTool& tool) {
  const bool autosaved = Arguments(call->arguments()).flag("include_autosaved", false);
  const auto scripts =
      std::make_shared<const std::vector<StoredScript>>(tool.parts.library.list(autosaved));
  if (scripts->empty()) return answer(call, tool, Json::array(), list_markdown);
  Json arguments = Json::object();
  arguments["paths"] = Json::array();
  for (const StoredScript& script : *scripts) arguments["paths"].push_back(script.path);
  tool.parts.services.call(
      "describe_scripts", std::move(arguments), [call, tool, scripts](Result<Json> described) {
        // Without the server's Python there are still names and paths.
        const bool known = described.ok() && described.value().is_array() &&
                           described.value().size() == scripts->size();
        Json list = Json::array();
        for (std::size_t index = 0; index < scripts->size(); ++index) {
          list.push_back(
              listed((*scripts)[index], known ? described.value()[index] : Json(nullptr)));
        }
        answer(call, tool, std::move(list), list_markdown);
      });
}

// --- py_view_script ------------------------------------------------------------------------------

std::string view_markdown(const std::string& title, const Json& script) {
  Json facts = script;
  facts.erase("source");
  return fields_markdown(fmt::format("{} — {}", title, text_in(script, "name")), facts) +
         "\n### source\n" + fenced(text_in(script, "source"), "python");
}

void view_script(const Call& call, const LibraryTool& tool) {
  const Arguments arguments(call->arguments());
  ScriptLibrary& library = tool.parts.library;
  const Result<StoredScript> script =
      library.find(arguments.text_or("script_name", ""), arguments.flag("autosaved", false));
  if (!script) return refuse(call, tool, script.error());
  const Result<std::string> source = library.read(script.value());
  if (!source) return refuse(call, tool, source.error());
  Json fields = Json::object();
  fields["name"] = script.value().name;
  fields["path"] = script.value().path;
  fields["autosaved"] = script.value().autosaved;
  fields["source"] = utf8::repaired(source.value());
  fields["header"] = "";
  fields["metadata"] = script.value().autosaved ? library.metadata(script.value()) : Json(nullptr);
  Json question = Json::object();
  question["paths"] = Json::array({script.value().path});
  const auto done = [call, tool, fields](Result<Json> described) mutable {
    if (described.ok() && described.value().is_array() && !described.value().empty()) {
      fields["header"] = header_text(described.value()[0].value("header", Json(nullptr)));
    }
    answer(call, tool, std::move(fields), view_markdown);
  };
  tool.parts.services.call("describe_scripts", std::move(question), done);
}

// --- py_save_script ------------------------------------------------------------------------------

void write_script(const Call& call, const LibraryTool& tool, const std::string& source) {
  const Arguments arguments(call->arguments());
  const Result<ScriptLibrary::Written> written = tool.parts.library.save(
      arguments.text_or("script_name", ""), source, arguments.flag("overwrite", false));
  if (!written) return refuse(call, tool, written.error());
  Json fields = Json::object();
  fields["written"] = written.value().written ? "true" : "false";
  fields["path"] = written.value().path;
  fields["message"] = written.value().message;
  answer(call, tool, std::move(fields), fields_markdown);
}

void save_script(const Call& call, const LibraryTool& tool) {
  const Arguments arguments(call->arguments());
  const std::string source = arguments.text_or("source", "");
  if (source.size() > limits::kMaximumScriptBytes) {
    return refuse(call, tool,
                  Error{ErrorCode::LimitReached,
                        fmt::format("source has {} bytes, and at most {} are taken.\nSplit it.",
                                    source.size(), limits::kMaximumScriptBytes)});
  }
  Json header = Json::object();
  header["source"] = source;
  if (const auto dependencies = arguments.texts("dependencies"); !dependencies.empty()) {
    header["dependencies"] = dependencies;
  }
  if (const auto python = arguments.text("requires_python")) header["requires_python"] = *python;
  if (header.size() == 1) return write_script(call, tool, source);
  tool.parts.services.call("add_header", std::move(header), [call, tool](Result<Json> with_header) {
    if (!with_header) return refuse(call, tool, with_header.error());
    write_script(call, tool, with_header.value().get<std::string>());
  });
}

// --- how they are listed -------------------------------------------------------------------------

using Handler = void (*)(const Call&, const LibraryTool&);

void add(mcp::ToolCatalog& catalog, mcp::Tool tool, Handler handler, const ExecutorParts& parts) {
  tool.aliases = {tool.name.substr(3)};  // without py_
  tool.null_is_absent = true;
  const LibraryTool library_tool{parts, {tool.name, tool.title}};
  tool.handler = [handler, library_tool](const Call& call) {
    library_tool.parts.runs.tidy();
    handler(call, library_tool);
  };
  catalog.add(std::move(tool));
}

mcp::Tool described(const char* name, const char* title, const char* description, Effect effect) {
  mcp::Tool tool;
  tool.name = name;
  tool.title = title;
  tool.description = description;
  tool.annotations = hints(effect);
  tool.meta = tags({"scripts", effect == Effect::Reads ? "introspection" : "save"});
  return tool;
}

}  // namespace

void add_library_tools(mcp::ToolCatalog& catalog, const ExecutorParts& parts) {
  mcp::Tool list = described("py_list_scripts", "Scripts", "List saved scripts.", Effect::Reads);
  list.input_schema = InputSchema(parts.extended).flag("include_autosaved").take();
  list.output_schema = wrapped_list(object_of({{"name", text_type()},
                                               {"path", text_type()},
                                               {"docstring", text_type()},
                                               {"header", text_type()},
                                               {"autosaved?", type("boolean")},
                                               {"created_at?", text_type()},
                                               {"tool?", text_type()}}));
  add(catalog, std::move(list), list_scripts, parts);

  mcp::Tool view = described("py_view_script", "Script", "Show a script.", Effect::Reads);
  view.input_schema = InputSchema(parts.extended)
                          .text("script_name")
                          .required("script_name")
                          .flag("autosaved")
                          .take();
  view.output_schema = object_of({{"name", text_type()},
                                  {"path", text_type()},
                                  {"autosaved", type("boolean")},
                                  {"source", text_type()},
                                  {"header", text_type()},
                                  {"metadata", nullable("object")}});
  add(catalog, std::move(view), view_script, parts);

  mcp::Tool save =
      described("py_save_script", "Save script",
                "Save a script; dependencies go into its header.", Effect::Destroys);
  save.input_schema = InputSchema(parts.extended)
                          .text("script_name")
                          .text("source")
                          .required("script_name")
                          .required("source")
                          .texts("dependencies")
                          .text("requires_python")
                          .flag("overwrite")
                          .take();
  save.output_schema =
      object_of({{"written", text_type()}, {"path", text_type()}, {"message", text_type()}});
  add(catalog, std::move(save), save_script, parts);
}

}  // namespace pyember::host

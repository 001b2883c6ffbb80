#include "host/tools/export_tool.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "host/export/export_file.h"
#include "host/export/export_material.h"
#include "host/loop/pool_work.h"
#include "host/tools/arguments.h"
#include "host/tools/schemas.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr const char* kQuestion = R"({"what":"packages"})";

// A call from its arguments to its answer. Kept by whatever it waits for.
struct Export : std::enable_shared_from_this<Export> {
  Export(std::shared_ptr<mcp::ToolCall> of, const ExportParts& with)
      : call(std::move(of)), parts(with) {}

  void begin();
  void told(const embed::CellOutcome& outcome);
  void written(Result<Json> answer);
  void put_at_path();
  void put_in_folder();
  void answer();
  void fail(const std::string& why) { call->complete(mcp::tool_error(why)); }
  std::string file_name() const;

  const std::shared_ptr<mcp::ToolCall> call;
  const ExportParts parts;
  std::string session;
  std::string form;
  std::string path;  // absolute; empty: none was given
  bool overwrite = false;

  std::vector<ExportMaterial::Display> displays;
  std::string text;
  std::string uri;  // in the session's folder; empty: not there
  std::size_t cells = 0;
  Json described;  // what the server's own Python said besides
  std::vector<std::string> notices;
};

// Waits for the session's word on its packages.
class PackagesAsked final : public CellObserver {
 public:
  explicit PackagesAsked(std::shared_ptr<Export> of) : export_(std::move(of)) {}
  void cell_ended(CellEnd end) override { export_->told(end.outcome); }

 private:
  const std::shared_ptr<Export> export_;
};

void Export::begin() {
  const Arguments arguments(call->arguments());
  session = arguments.text_or("session", "main");
  form = arguments.text_or("format", "script");
  overwrite = arguments.flag("overwrite", false);
  const Result<HostSession*> open = parts.registry.require(session);
  if (!open) return fail(open.error().message);
  HostSession* found = open.value();
  if (const auto wanted = arguments.text("path"); wanted && !wanted->empty()) {
    path = absolute_path(*wanted);
    constexpr const char* kInstead =
        "Leave path out: the text is answered, or put into the session's folder.";
    if (auto named = parts.named.check_writing("path", path, kInstead); !named) {
      return fail(named.error().message);
    }
    if (auto free = check_target(path, overwrite); !free) return fail(free.error().message);
  }
  if (found->history().cells().empty() && !found->busy()) {
    return fail(
        fmt::format("There is nothing to export: session '{}' has run no cell since it was opened "
                    "or reset. Run some with run_python first.",
                    session));
  }
  CellSpec spec;
  spec.kind = embed::CellKind::Ask;
  spec.code = kQuestion;
  spec.timeout = limits::kAskDeadline;
  const Result<embed::CellNumber> number = parts.registry.run(
      session, std::move(spec), std::make_unique<PackagesAsked>(shared_from_this()));
  if (!number) return fail(number.error().message);
  call->on_cancel([&registry = parts.registry, name = session, cell = number.value()] {
    registry.cancel(name, cell);
  });
}

// The cells before are over, and what the session knows is known.
void Export::told(const embed::CellOutcome& outcome) {
  if (call->cancelled()) return;
  notices = outcome.notices;
  Json loaded = nullptr;
  if (outcome.status == embed::Status::Completed && outcome.result) {
    if (Result<Json> parsed = mcp::parse_json(*outcome.result)) loaded = parsed.take();
  }
  const HostSession* found = parts.registry.find(session);
  if (found == nullptr) {
    return fail(
        fmt::format("Session '{}' was closed before it was exported, and its cells are "
                    "gone. Export a session before it is closed.",
                    session));
  }
  ExportMaterial material = export_material(*found, form == "notebook");
  if (path.empty() && material.display_bytes() > limits::kExportInFolderBytes) {
    return fail(
        fmt::format("The notebook was not written: what the session has shown takes {} MB, "
                    "too much for its folder. Give a path to write it to.",
                    material.display_bytes() / 1'000'000));
  }
  cells = material.cells.size();
  displays = std::move(material.displays);
  Json arguments = {{"form", form},
                    {"session", session},
                    {"cells", std::move(material.cells)},
                    {"loaded", std::move(loaded)},
                    {"asked_for", material.asked_for},
                    {"dropped", material.dropped},
                    {"folder", material.folder}};
  parts.services.call(
      "export_session", std::move(arguments),
      [self = shared_from_this()](Result<Json> answer) { self->written(std::move(answer)); });
}

void Export::written(Result<Json> answer) {
  if (call->cancelled()) return;
  if (!answer) return fail(answer.error().message);
  described = answer.take();
  text = std::move(described["text"].get_ref<std::string&>());
  described.erase("text");
  if (!path.empty()) return put_at_path();
  text = put_displays_in(std::move(text), displays);
  displays.clear();
  if (utf8::count_characters(text) > parts.output_budget) return put_in_folder();
  this->answer();
}

void Export::put_at_path() {
  auto problem = std::make_shared<std::optional<Error>>();  // made on the pool, read by us
  const auto self = shared_from_this();
  run_in_pool(
      parts.loop,
      [self, problem] {
        self->text = put_displays_in(std::move(self->text), self->displays);
        if (auto put = write_file_at_once(self->path, self->text, self->overwrite); !put) {
          *problem = put.error();
        }
      },
      [self, problem] {
        if (*problem) return self->fail((*problem)->message);
        self->answer();
      });
}

std::string Export::file_name() const {
  if (form == "notebook") return session + ".ipynb";
  std::string name = session;
  for (char& c : name) {
    if (c == '-' || c == '.') c = '_';  // a module's name
  }
  return (form == "pytest" ? "test_" : "session_") + name + ".py";
}

void Export::put_in_folder() {
  const Result<SessionFolder*> folder = parts.registry.folder_of(session);
  if (!folder) return fail(folder.error().message);
  const std::string name = file_name();
  if (const Result<void> put = folder.value()->put(name, text); !put) {
    return fail(put.error().message);
  }
  path = folder.value()->path() + "/" + name;
  uri = file_uri(session, name);
  answer();
  parts.registry.outputs_changed();
}

void Export::answer() {
  for (const Json& each : described["notices"]) notices.push_back(each.get<std::string>());
  mcp::ToolResult result;
  const bool inlined = path.empty();
  std::string told = inlined ? text
                             : fmt::format("{} cells of session '{}' as {} ({} bytes): {}", cells,
                                           session, form, text.size(), path);
  if (!inlined) {
    for (const std::string& notice : notices) told += "\n[notice] " + notice;
  }
  result.content.push_back(mcp::text_block(std::move(told)));
  if (!uri.empty()) {
    result.content.push_back(
        {{"type", "resource_link"}, {"uri", uri}, {"name", file_name()}, {"size", text.size()}});
  }
  result.structured = {{"session", session},
                       {"format", form},
                       {"cells", cells},
                       {"path", inlined ? Json(nullptr) : Json(path)},
                       {"uri", uri.empty() ? Json(nullptr) : Json(uri)},
                       {"bytes", text.size()},
                       {"text", inlined ? Json(text) : Json(nullptr)},
                       {"python", described["python"]},
                       {"packages", described["packages"]},
                       {"notices", notices}};
  call->complete(std::move(result));
}

Json output_schema() {
  // What a package has is not promised.
  const Json package = object_of({{"name?", text_type()}, {"version?", text_type()}});
  return object_of({{"session", text_type()},
                    {"format", text_type()},
                    {"cells", type("integer")},
                    {"path", nullable("string")},
                    {"uri", nullable("string")},
                    {"bytes", type("integer")},
                    {"text", nullable("string")},
                    {"python", text_type()},
                    {"packages", list_of(package)},
                    {"notices", list_of(text_type())}});
}

}  // namespace

void add_export_tool(mcp::ToolCatalog& catalog, const ExportParts& parts) {
  mcp::Tool tool;
  tool.name = "export_session";
  tool.title = "Export session";
  tool.description =
      "Writes a session's cells with their outputs as a script that `uv run` runs, a notebook, or "
      "a pytest file that checks that they do the same again; names the packages with versions.";
  tool.input_schema = {
      {"type", "object"},
      {"properties",
       {{"session", session_argument()},
        {"format", {{"type", "string"}, {"enum", {"script", "notebook", "pytest"}}}},
        {"path",
         described("string",
                   "file to write; without it the text is in the answer, or in the session's "
                   "folder when it is long")},
        {"overwrite", type("boolean")}}},
      {"additionalProperties", false}};
  tool.output_schema = output_schema();
  tool.annotations = annotations({.destructive = true, .idempotent = true});
  tool.handler = [parts](const std::shared_ptr<mcp::ToolCall>& call) {
    std::make_shared<Export>(call, parts)->begin();
  };
  catalog.add(std::move(tool));
}

}  // namespace pyember::host

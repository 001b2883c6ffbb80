#include "host/tools/session_tools.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "host/tools/cell_answer.h"
#include "host/tools/schemas.h"

namespace pyember::host {

using mcp::Json;
using Call = std::shared_ptr<mcp::ToolCall>;

namespace {

double seconds_since(std::uint64_t then_ns) {
  const std::uint64_t now = now_ns();
  const std::uint64_t milliseconds = now > then_ns ? (now - then_ns) / 1'000'000 : 0;
  return static_cast<double>(milliseconds) / 1000;
}

std::string session_of(const mcp::ToolCall& call) {
  const auto given = call.arguments().find("session");
  if (given == call.arguments().end() || given->is_null()) return "main";
  return given->get<std::string>();
}

// The session a call names; null when there is none, and the call has been answered.
HostSession* find_session(const Call& call, SessionRegistry& registry) {
  const Result<HostSession*> session = registry.require(session_of(*call));
  if (session) return session.value();
  call->complete(mcp::tool_error(session.error().message));
  return nullptr;
}

void answer(const Call& call, std::string text, Json structured) {
  call->complete(mcp::tool_result(std::move(text), std::move(structured)));
}

Json describe_session(const HostSession& session) {
  Json fields = Json::object();
  fields["session"] = session.name();
  fields["state"] = session.busy() ? "busy" : "idle";
  fields["isolation"] = to_string(session.plan().room);
  if (session.cells().empty()) {
    fields["running_cell"] = nullptr;
    fields["running_seconds"] = nullptr;
  } else {
    fields["running_cell"] = session.cells().front().number;
    fields["running_seconds"] = seconds_since(session.cells().front().running_since_ns);
  }
  fields["queued_cells"] = session.cells().empty() ? 0 : session.cells().size() - 1;
  fields["cells_ended"] = session.cells_completed();
  if (session.busy()) {
    fields["idle_seconds"] = nullptr;
  } else {
    fields["idle_seconds"] = seconds_since(session.idle_since_ns());
  }
  fields["memory_bytes"] = session.memory_bytes();
  if (session.plan().undo != 0) fields["copies_kept"] = session.copies_kept();
  return fields;
}

std::string session_line(const HostSession& session) {
  std::string line = session.name() + ": ";
  if (session.cells().empty()) {
    line += fmt::format("{} for {:.1f} s", session.busy() ? "being reset" : "idle",
                        seconds_since(session.idle_since_ns()));
  } else {
    line += fmt::format("cell {} runs since {:.1f} s", session.cells().front().number,
                        seconds_since(session.cells().front().running_since_ns));
    if (session.cells().size() > 1) line += fmt::format(", {} wait", session.cells().size() - 1);
  }
  if (session.plan().undo != 0) {
    line += fmt::format(", {} cells can be undone", session.copies_kept());
  }
  return line + fmt::format(", {} cells ended, {:.1f} MB", session.cells_completed(),
                            static_cast<double>(session.memory_bytes()) / 1e6);
}

// --- list_sessions ---------------------------------------------------------------------------

void list_sessions(const Call& call, SessionRegistry& registry, const StatePlaces& places) {
  std::string text;
  Json sessions = Json::array();
  for (const auto& [name, session] : registry.sessions()) {
    sessions.push_back(describe_session(*session));
    text += session_line(*session) + "\n";
  }
  Json gone = Json::array();
  for (const Tombstone& grave : registry.tombstones()) {
    gone.push_back(
        {{"session", grave.name}, {"why", grave.why}, {"seconds_ago", seconds_since(grave.at_ns)}});
  }
  if (text.empty()) text = "No session is open; run_python opens one.";
  Json restorable = restorable_states(registry, places);
  for (const Json& each : restorable) {
    text +=
        fmt::format("\nrestore_session can open {}: {} of {}", each["session"].get<std::string>(),
                    each["kind"].get<std::string>(), each["written_at"].get<std::string>());
  }
  answer(call, std::move(text),
         {{"sessions", std::move(sessions)},
          {"gone", std::move(gone)},
          {"restorable", std::move(restorable)}});
}

// --- inspect_session -------------------------------------------------------------------------

// An inspection under way: the fields so far, and the text that says the same.
struct Inspection {
  Call call;
  Json fields;
  std::string text;
  Json links = Json::array();

  void finish() {
    mcp::ToolResult result;
    result.content.push_back(mcp::text_block(std::move(text)));
    for (Json& link : links) result.content.push_back(std::move(link));
    result.structured = std::move(fields);
    call->complete(std::move(result));
  }
};

void append_output(Inspection& inspection, HostSession& session, embed::CellNumber number,
                   const Excerpt& excerpt) {
  if (!excerpt.stdout_text.empty()) {
    inspection.text += fmt::format("\nstdout of cell {}:\n{}", number, excerpt.stdout_text);
  }
  if (!excerpt.stderr_text.empty()) {
    inspection.text += fmt::format("\nstderr of cell {}:\n{}", number, excerpt.stderr_text);
  }
  if (!excerpt.cut()) return;
  CellOutput* output = session.outputs().find(number);
  output->listed[0] |= excerpt.stdout_cut;
  output->listed[1] |= excerpt.stderr_cut;
  append_output_links(inspection.links, session.name(), number, output, excerpt);
}

void describe_running(Inspection& inspection, HostSession& session, std::size_t budget) {
  const Cell& cell = session.cells().front();
  const Excerpt excerpt =
      make_excerpt(session.outputs().find(cell.number), session.name(), cell.number, budget);
  inspection.fields["running"] = {{"cell", cell.number},
                                  {"background", cell.background},
                                  {"seconds", seconds_since(cell.running_since_ns)},
                                  {"code", cell.code_excerpt},
                                  {"stdout", excerpt.stdout_text},
                                  {"stderr", excerpt.stderr_text}};
  inspection.text += fmt::format("\ncode of cell {}:\n{}", cell.number, cell.code_excerpt);
  append_output(inspection, session, cell.number, excerpt);
}

// What is known of one cell; false when the call has been answered with an error.
bool describe_cell(Inspection& inspection, HostSession& session, embed::CellNumber number,
                   std::size_t budget) {
  const Excerpt excerpt =
      make_excerpt(session.outputs().find(number), session.name(), number, budget);
  const auto waits = std::find_if(session.cells().begin(), session.cells().end(),
                                  [&](const Cell& cell) { return cell.number == number; });
  const auto ended =
      std::find_if(session.ended_background().begin(), session.ended_background().end(),
                   [&](const EndedCell& cell) { return cell.number == number; });
  if (ended != session.ended_background().end()) {
    inspection.fields["cell"] = describe_outcome(session.name(), number, ended->outcome, excerpt,
                                                 ended->isolation, &session.products());
    append_products(inspection.links, session.name(), number, session.products(), budget);
    inspection.text = fmt::format("cell {}: {}", number, embed::to_string(ended->outcome.status));
    if (ended->outcome.result) inspection.text += "\nresult: " + *ended->outcome.result;
    if (ended->outcome.error) inspection.text += "\n" + ended->outcome.error->traceback;
  } else if (waits != session.cells().end() || number < session.next_number()) {
    const bool running = waits == session.cells().begin() && waits != session.cells().end();
    const char* status = waits == session.cells().end() ? "ended" : running ? "running" : "waiting";
    inspection.fields["cell"] = {{"cell", number},
                                 {"status", status},
                                 {"stdout", excerpt.stdout_text},
                                 {"stderr", excerpt.stderr_text}};
    if (running) {
      inspection.fields["cell"]["elapsed_seconds"] = seconds_since(waits->running_since_ns);
    }
    inspection.text = fmt::format("cell {}: {}", number, status);
    if (waits == session.cells().end() && number <= session.outputs().dropped_up_to()) {
      inspection.text +=
          "; its output was dropped, because the session's held output passed its "
          "limit";
    }
  } else {
    inspection.call->complete(mcp::tool_error(fmt::format(
        "Session '{}' has no cell {}: its last one was {}. Leave 'cell' out to see the session.",
        session.name(), number, session.next_number() - 1)));
    return false;
  }
  append_output(inspection, session, number, excerpt);
  return true;
}

void describe_background(Inspection& inspection, const HostSession& session) {
  Json ended = Json::array();
  for (const EndedCell& cell : session.ended_background()) {
    ended.push_back({{"cell", cell.number}, {"status", embed::to_string(cell.outcome.status)}});
    inspection.text +=
        fmt::format("\nbackground cell {}: {}", cell.number, embed::to_string(cell.outcome.status));
  }
  inspection.fields["background_cells_ended"] = std::move(ended);
}

void append_names(Inspection& inspection, const std::vector<embed::NameInfo>& names) {
  Json list = Json::array();
  for (const embed::NameInfo& name : names) {
    list.push_back(
        {{"name", name.name}, {"type", name.type}, {"size", name.size}, {"repr", name.short_repr}});
    inspection.text += fmt::format("\n{}: {}{}{} = {}", name.name, name.type,
                                   name.size.empty() ? "" : ", ", name.size, name.short_repr);
  }
  if (names.empty()) inspection.text += "\nno names defined";
  inspection.fields["names"] = std::move(list);
}

void inspect_session(const Call& call, SessionRegistry& registry, std::size_t budget) {
  HostSession* session = find_session(call, registry);
  if (session == nullptr) return;
  auto inspection = std::make_shared<Inspection>(Inspection{call, describe_session(*session), {}});
  const auto cell = call->arguments().find("cell");
  if (cell != call->arguments().end() && cell->is_number_integer()) {
    const auto number = static_cast<embed::CellNumber>(cell->get<std::int64_t>());
    if (describe_cell(*inspection, *session, number, budget)) inspection->finish();
    return;
  }
  inspection->text = session_line(*session);
  describe_background(*inspection, *session);
  if (session->busy()) {
    if (!session->cells().empty()) describe_running(*inspection, *session, budget);
    inspection->finish();
    return;
  }
  session->inspect([inspection](std::optional<std::vector<embed::NameInfo>> names) {
    if (names) append_names(*inspection, *names);
    inspection->finish();
  });
}

// --- interrupt, reset, close -----------------------------------------------------------------

void interrupt_session(const Call& call, SessionRegistry& registry) {
  HostSession* session = find_session(call, registry);
  if (session == nullptr) return;
  const embed::CellNumber number = session->interrupt();
  const std::size_t waiting = session->cells().empty() ? 0 : session->cells().size() - 1;
  Json fields = {{"session", session->name()}, {"interrupted", number != 0}};
  fields["cell"] = number != 0 ? Json(number) : Json(nullptr);
  fields["queued_cells"] = waiting;
  answer(call,
         number != 0 ? fmt::format("Cell {} of session '{}' was told to stop; {} cells wait and "
                                   "will run.",
                                   number, session->name(), waiting)
                     : fmt::format("Nothing runs in session '{}'.", session->name()),
         std::move(fields));
}

void reset_session(const Call& call, SessionRegistry& registry) {
  HostSession* session = find_session(call, registry);
  if (session == nullptr) return;
  const std::string name = session->name();
  session->reset([call, name](const std::string& note) {
    const std::string text =
        note.empty() ? fmt::format("Session '{}' is empty again.", name) : note;
    answer(call, text, {{"session", name}, {"reset", true}, {"note", note}});
  });
}

void close_session(const Call& call, SessionRegistry& registry) {
  if (find_session(call, registry) == nullptr) return;
  const std::string name = session_of(*call);
  const Result<void> closed = registry.close(name);
  if (!closed) return call->complete(mcp::tool_error(closed.error().message));
  answer(call, fmt::format("Session '{}' is closed.", name), {{"session", name}, {"closed", true}});
}

// --- how they are listed -----------------------------------------------------------------------

using Members = std::vector<std::pair<const char*, Json>>;

Members session_members() {
  return {{"session", text_type()},
          {"state", {{"enum", {"idle", "busy"}}}},
          {"running_cell", nullable("integer")},
          {"running_seconds", nullable("number")},
          {"queued_cells", type("integer")},
          {"cells_ended", type("integer")},
          {"idle_seconds", nullable("number")},
          {"memory_bytes", type("integer")},
          {"copies_kept?", type("integer")}};
}

Json input(bool with_cell) {
  Json properties = {{"session", session_argument()}};
  if (with_cell) {
    properties["cell"] = {{"type", "integer"},
                          {"minimum", 1},
                          {"description", "a cell's number: its status, outcome and output"}};
  }
  return {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}};
}

mcp::Tool list_tool(SessionRegistry& registry, const StatePlaces& places) {
  const Json grave =
      object_of({{"session", text_type()}, {"why", text_type()}, {"seconds_ago", type("number")}});
  const Json restorable = object_of({{"session", text_type()},
                                     {"kind", {{"enum", {"saved", "checkpoint"}}}},
                                     {"written_at", text_type()},
                                     {"bytes", type("integer")}});
  mcp::Tool tool;
  tool.name = "list_sessions";
  tool.title = "List sessions";
  tool.description =
      "Lists the open Python sessions, what runs in each, sessions that are gone and why, and what "
      "restore_session can bring back. Never waits.";
  tool.input_schema = {{"type", "object"}, {"additionalProperties", false}};
  tool.output_schema = object_of({{"sessions", list_of(object_of(session_members()))},
                                  {"gone", list_of(grave)},
                                  {"restorable?", list_of(restorable)}});
  tool.annotations = annotations({.read_only = true, .idempotent = true});
  tool.handler = [&registry, &places](const Call& call) { list_sessions(call, registry, places); };
  return tool;
}

mcp::Tool inspect_tool(SessionRegistry& registry, const SessionToolSettings& settings) {
  mcp::Tool tool;
  tool.name = "inspect_session";
  tool.title = "Inspect session";
  tool.description =
      "Shows a session without running code in it: of an idle one the names with type, size and a "
      "short repr; of a busy one what runs, since when, and its output so far. With 'cell' the "
      "status, outcome and output of that cell, for cells run with background=true. Never waits.";
  tool.input_schema = input(true);
  Members members = session_members();
  members.emplace_back("names?", list_of(object_of({{"name", text_type()},
                                                    {"type", text_type()},
                                                    {"size", text_type()},
                                                    {"repr", text_type()}})));
  members.emplace_back("running?", type("object"));
  members.emplace_back("cell?", type("object"));
  members.emplace_back("background_cells_ended?", list_of(type("object")));
  tool.output_schema = object_of(members);
  tool.annotations = annotations({.read_only = true, .idempotent = true});
  tool.handler = [&registry, &settings](const Call& call) {
    inspect_session(call, registry, settings.output_budget);
  };
  return tool;
}

mcp::Tool interrupt_tool(SessionRegistry& registry) {
  mcp::Tool tool;
  tool.name = "interrupt_session";
  tool.title = "Interrupt session";
  tool.description =
      "Stops the cell that runs in a session, as Ctrl-C would. Names stay; cells that wait run "
      "next.";
  tool.input_schema = input(false);
  tool.output_schema = object_of({{"session", text_type()},
                                  {"interrupted", type("boolean")},
                                  {"cell", nullable("integer")},
                                  {"queued_cells", type("integer")}});
  tool.annotations = annotations({.idempotent = true});
  tool.handler = [&registry](const Call& call) { interrupt_session(call, registry); };
  return tool;
}

mcp::Tool reset_tool(SessionRegistry& registry) {
  mcp::Tool tool;
  tool.name = "reset_session";
  tool.title = "Reset session";
  tool.description =
      "Empties a session: stops what runs, forgets waiting cells, all names and imported modules.";
  tool.input_schema = input(false);
  tool.output_schema =
      object_of({{"session", text_type()}, {"reset", type("boolean")}, {"note", text_type()}});
  tool.annotations = annotations({.destructive = true, .idempotent = true});
  tool.handler = [&registry](const Call& call) { reset_session(call, registry); };
  return tool;
}

mcp::Tool close_tool(SessionRegistry& registry) {
  mcp::Tool tool;
  tool.name = "close_session";
  tool.title = "Close session";
  tool.description =
      "Ends a session: what runs in it, the processes it started, its names and its held output.";
  tool.input_schema = input(false);
  tool.output_schema = object_of({{"session", text_type()}, {"closed", type("boolean")}});
  tool.annotations = annotations({.destructive = true});
  tool.handler = [&registry](const Call& call) { close_session(call, registry); };
  return tool;
}

}  // namespace

void add_session_tools(mcp::ToolCatalog& catalog, SessionRegistry& registry,
                       const SessionToolSettings& settings, const StatePlaces& places) {
  catalog.add(list_tool(registry, places));
  catalog.add(inspect_tool(registry, settings));
  catalog.add(interrupt_tool(registry));
  catalog.add(reset_tool(registry));
  catalog.add(close_tool(registry));
}

}  // namespace pyember::host

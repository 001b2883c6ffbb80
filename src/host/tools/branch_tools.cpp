#include "host/tools/branch_tools.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

#include "host/session/session_fork.h"
#include "host/tools/arguments.h"
#include "host/tools/schemas.h"

namespace pyember::host {

using mcp::Json;
using Call = std::shared_ptr<mcp::ToolCall>;

namespace {

std::string not_carried(const std::vector<std::string>& left) {
  std::string text;
  for (const std::string& each : left) text += (text.empty() ? "" : "; ") + each;
  return text;
}

void answer(const Call& call, std::string text, Json structured) {
  call->complete(mcp::tool_result(std::move(text), std::move(structured)));
}

// --- fork_session --------------------------------------------------------------------------------

void fork_call(const Call& call, SessionRegistry& registry) {
  const Arguments arguments(call->arguments());
  const std::string original = arguments.text_or("session", "main");
  const std::string name = arguments.text_or("name", "");
  fork_session(registry, original, name, [call, original](Result<ForkedSession> forked) {
    if (!forked) return call->complete(mcp::tool_error(forked.error().message));
    const ForkedSession& session = forked.value();
    std::string text = fmt::format("Session '{}' has the state of '{}'; its next cell is {}.",
                                   session.name, original, session.next_cell);
    if (!session.left.empty()) text += " Not carried: " + not_carried(session.left) + ".";
    answer(call, std::move(text),
           {{"session", session.name},
            {"from", original},
            {"next_cell", session.next_cell},
            {"isolation", to_string(session.isolation)},
            {"live", session.live},
            {"not_carried", session.left}});
  });
}

mcp::Tool fork_tool(SessionRegistry& registry) {
  mcp::Tool tool;
  tool.name = "fork_session";
  tool.title = "Fork session";
  tool.description =
      "Copies a session's live state into a new session, to try something without touching the "
      "original. Waits for the cells in front. The answer names what can't be carried (threads, "
      "sockets, children).";
  tool.input_schema = {{"type", "object"},
                       {"properties",
                        {{"session", session_argument("to be copied, default 'main'")},
                         {"name", described("string", "of the new session")}}},
                       {"required", {"name"}},
                       {"additionalProperties", false}};
  tool.output_schema = object_of({{"session", text_type()},
                                  {"from", text_type()},
                                  {"next_cell", type("integer")},
                                  {"isolation", text_type()},
                                  {"live", type("boolean")},
                                  {"not_carried", list_of(text_type())}});
  tool.annotations = annotations({});
  tool.handler = [&registry](const Call& call) { fork_call(call, registry); };
  return tool;
}

// --- undo_session --------------------------------------------------------------------------------

std::string no_undo(const HostSession& session, std::int64_t steps, const Error& error) {
  const char* advice =
      session.plan().undo == 0
          ? "Call run_python with undo=3, say: cells from then on can be undone."
          : "Wait for answers or interrupt the cell, or give fewer steps; list_sessions says how "
            "many copies there are.";
  return fmt::format("Nothing was undone: session '{}' can't go back {} {}, because {}. {}",
                     session.name(), steps, steps == 1 ? "cell" : "cells", error.message, advice);
}

void tell_undone(const Call& call, const HostSession& session, std::int64_t steps,
                 const Result<Undone>& undone) {
  if (!undone) return call->complete(mcp::tool_error(no_undo(session, steps, undone.error())));
  const std::vector<std::string>& left = undone.value().left;
  std::string text = fmt::format(
      "Session '{}' is as it was before cell {}; the next cell is {}. Files, processes and what "
      "was sent elsewhere are as the cells left them.",
      session.name(), undone.value().cell, session.next_number());
  if (!left.empty()) text += " Of that state this is not back: " + not_carried(left) + ".";
  answer(call, std::move(text),
         {{"session", session.name()},
          {"before_cell", undone.value().cell},
          {"next_cell", session.next_number()},
          {"copies_left", session.copies_kept()},
          {"not_carried", left}});
}

void undo_now(const Call& call, SessionRegistry& registry, const std::string& name) {
  HostSession* session = registry.find(name);
  if (session == nullptr) {
    return call->complete(mcp::tool_error(registry.no_session(name).message));
  }
  const std::int64_t steps = Arguments(call->arguments()).integer("steps", 1);
  session->undo(static_cast<std::size_t>(steps),
                [call, &registry, name, steps](const Result<Undone>& undone) {
                  HostSession* found = registry.find(name);
                  if (found != nullptr) return tell_undone(call, *found, steps, undone);
                  call->complete(mcp::tool_error(registry.no_session(name).message));
                });
}

void undo_call(const Call& call, SessionRegistry& registry) {
  const std::string name = Arguments(call->arguments()).text_or("session", "main");
  const Result<HostSession*> session = registry.require(name);
  if (!session) return call->complete(mcp::tool_error(session.error().message));
  session.value()->when_free([call, &registry, name] { undo_now(call, registry, name); });
}

mcp::Tool undo_tool(SessionRegistry& registry) {
  mcp::Tool tool;
  tool.name = "undo_session";
  tool.title = "Undo cells";
  tool.description =
      "Takes a session that was opened with run_python(undo=n) back to its state before its last "
      "cells, in milliseconds; also one that was lost in a cell. Names and imports go back, not "
      "files, network or processes.";
  tool.input_schema = {{"type", "object"},
                       {"properties",
                        {{"session", session_argument()},
                         {"steps",
                          {{"type", "integer"},
                           {"minimum", 1},
                           {"maximum", limits::kMaximumUndo},
                           {"description", "cells, default 1"}}}}},
                       {"additionalProperties", false}};
  tool.output_schema = object_of({{"session", text_type()},
                                  {"before_cell", type("integer")},
                                  {"next_cell", type("integer")},
                                  {"copies_left", type("integer")},
                                  {"not_carried", list_of(text_type())}});
  tool.annotations = annotations({.destructive = true});
  tool.handler = [&registry](const Call& call) { undo_call(call, registry); };
  return tool;
}

}  // namespace

void add_branch_tools(mcp::ToolCatalog& catalog, SessionRegistry& registry) {
  catalog.add(fork_tool(registry));
  catalog.add(undo_tool(registry));
}

}  // namespace pyember::host

#include "host/tools/state_tools.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "host/state/carried_state.h"
#include "host/state/state_file.h"
#include "host/state/state_store.h"
#include "host/tools/arguments.h"
#include "host/tools/schemas.h"

namespace pyember::host {

using mcp::Json;
using Call = std::shared_ptr<mcp::ToolCall>;

namespace {

constexpr std::size_t kListedStates = 50;

struct StateTools {
  SessionRegistry& registry;
  const StatePlaces& places;
};

void fail(const Call& call, const std::string& why) { call->complete(mcp::tool_error(why)); }

void answer(const Call& call, std::string text, Json structured) {
  call->complete(mcp::tool_result(std::move(text), std::move(structured)));
}

std::string absolute(const std::string& path) {
  std::error_code failed;
  const auto made = std::filesystem::absolute(path, failed).lexically_normal();
  return failed ? path : made.string();
}

Json listed(const CarriedState::Reasons& reasons) {
  Json list = Json::array();
  for (const auto& [name, reason] : reasons) list.push_back({{"name", name}, {"reason", reason}});
  return list;
}

std::string time_text(std::int64_t seconds) {
  return fmt::format("{:%F %T} UTC", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

std::string some_names(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 40;
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i) {
    text += (text.empty() ? "" : ", ") + names[i];
  }
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
  return text.empty() ? "no names" : text;
}

void append_notices(std::string& text, const std::vector<std::string>& notices) {
  for (const std::string& each : notices) text += "\n" + each;
}

// --- save_session --------------------------------------------------------------------------------

struct Save {
  Call call;
  std::string session;
  std::string path;
};

void saved(const Save& save, const CarriedState& state, const std::vector<std::string>& notices) {
  if (!state.done) {
    return fail(save.call, fmt::format("Session '{}' was not saved: {} What was saved before under "
                                       "that path is still there, and the session goes on.",
                                       save.session, state.problem));
  }
  const Result<StateHeader> header = read_state_header(save.path, StateDetail::About);
  if (!header) return fail(save.call, header.error().message);
  CarriedState::Reasons left = state.left_behind;
  if (!state.running.empty()) left.emplace_back(state.running, "no file can hold what runs");
  std::string text =
      fmt::format("Saved {} of session '{}' to {} ({} bytes): {}.",
                  state.names.size() == 1 ? "1 name" : fmt::format("{} names", state.names.size()),
                  save.session, save.path, header.value().bytes, some_names(state.names));
  if (!left.empty()) text += fmt::format("\nNot saved: {}.", in_words(left));
  append_notices(text, notices);
  answer(save.call, std::move(text),
         {{"session", save.session},
          {"path", save.path},
          {"bytes", header.value().bytes},
          {"python", header.value().python},
          {"cell", header.value().about.cell},
          {"saved", state.names},
          {"left_behind", listed(left)},
          {"notices", notices}});
}

void save_session(const Call& call, const StateTools& tools) {
  const Arguments arguments(call->arguments());
  Save save{call, arguments.text_or("session", "main"), arguments.text_or("path", "")};
  const Result<HostSession*> found = tools.registry.require(save.session);
  if (!found) return fail(call, found.error().message);
  HostSession* session = found.value();
  if (save.path.empty()) {
    const Result<std::string> folder = make_saved_folder(tools.places.root);
    if (!folder) return fail(call, folder.error().message);
    save.path = state_path(folder.value(), save.session);
  } else {
    save.path = absolute(save.path);
    constexpr const char* kInstead = "Leave path out: the state is kept under the session's name.";
    const auto named = tools.places.named.check_writing("path", save.path, kInstead);
    if (!named) return fail(call, named.error().message);
  }
  StateOrder order{save.path, limits::kSaveTimeout, StateOrder::Use::Kept,
                   mcp::to_json_text(session->history().to_json())};
  const std::string name = save.session;
  const embed::CellNumber number = session->save(
      std::move(order),
      when_carried([save](const CarriedState& state, const std::vector<std::string>& notices) {
        saved(save, state, notices);
      }));
  call->on_cancel([&registry = tools.registry, name, number] { registry.cancel(name, number); });
}

// --- restore_session -----------------------------------------------------------------------------

// A call from the state that was found to its answer.
struct Restore : std::enable_shared_from_this<Restore> {
  Restore(Call of, StateTools with) : call(std::move(of)), tools(with) {}

  void begin();
  void into_open(HostSession& session);
  void into_new(std::unique_ptr<HostSession> old);
  void restored(const CarriedState& state, const std::vector<std::string>& notices);
  void failed(const std::string& why);
  Result<std::string> find_state() const;
  void take_history();

  const Call call;
  const StateTools tools;
  std::string session;
  std::string path;
  bool replace = false;
  StateHeader header;
  bool made = false;                 // the session was opened for this
  std::unique_ptr<HostSession> old;  // that it takes the place of
};

// The file named, else the saved state of that name, else the newest checkpoint that a server in
// this working directory has left of it.
Result<std::string> Restore::find_state() const {
  const std::string named = Arguments(call->arguments()).text_or("path", "");
  if (!named.empty()) {
    const std::string whole = absolute(named);
    const auto allowed = tools.places.named.check_reading(
        "path", whole, "Leave path out: states are found under their session's name.");
    if (!allowed) return allowed.error();
    return whole;
  }
  const std::string kept = state_path(saved_folder(tools.places.root), session);
  if (std::filesystem::exists(kept)) return kept;
  for (const StoredState& each :
       checkpoints_left(tools.places.root, tools.places.working_directory)) {
    if (each.session == session) return each.path;
  }
  return Error{
      ErrorCode::NotFound,
      fmt::format("There is no saved state of a session '{}'. save_session makes one; name "
                  "another session (list_sessions tells which can be restored), or give "
                  "the path of a file.",
                  session)};
}

void Restore::begin() {
  const Arguments arguments(call->arguments());
  session = arguments.text_or("session", "main");
  replace = arguments.flag("replace", false);
  if (const Result<void> named = check_session_name(session); !named) {
    return fail(call, named.error().message);
  }
  Result<std::string> found = find_state();
  if (!found) return fail(call, found.error().message);
  path = found.take();
  Result<StateHeader> read = read_state_header(path, StateDetail::AboutAndMore);
  if (!read) return fail(call, read.error().message);
  header = read.take();
  HostSession* open = tools.registry.find(session);
  if (open == nullptr) return into_new(nullptr);
  if (replace) return into_new(tools.registry.set_aside(session));
  if (open->busy()) {
    return fail(call, fmt::format("Nothing was restored: session '{}' is busy. Wait for its cells, "
                                  "restore under another name, or with replace=true in its place.",
                                  session));
  }
  if (!open->has_state()) return into_open(*open);
  open->inspect([self = shared_from_this()](std::optional<std::vector<embed::NameInfo>> names) {
    HostSession* still = self->tools.registry.find(self->session);
    if (still != nullptr && names && names->empty()) return self->into_open(*still);
    fail(
        self->call,
        fmt::format("Nothing was restored: session '{}' is open and {}. Restore under another name "
                    "(with path={}), or with replace=true, which ends what is there.",
                    self->session,
                    names ? fmt::format("has {} names", names->size()) : "does not tell its names",
                    self->path));
  });
}

void Restore::take_history() {
  HostSession* open = tools.registry.find(session);
  const Result<Json> history = mcp::parse_json(header.more);
  if (open != nullptr && history) open->history().add_from_json(history.value());
  header.more.clear();
}

// A session without names stays what it is.
void Restore::into_open(HostSession& open) {
  const Isolation from = header.about.plan.room;
  if (boundary_of(from) != Boundary::None && boundary_of(open.plan().room) == Boundary::None) {
    return fail(call, fmt::format("Nothing was restored: the state comes from a session in a {}, "
                                  "and session '{}' is open in the room '{}', which promises less. "
                                  "What code behind a boundary wrote may take over whoever reads "
                                  "it. Restore it under another name (with path={}): that session "
                                  "will be in a {} too.",
                                  to_string(from), session, to_string(open.plan().room), path,
                                  to_string(from)));
  }
  auto observer =
      when_carried([self = shared_from_this()](const CarriedState& state,
                                               const std::vector<std::string>& notices) {
        self->restored(state, notices);
      });
  if (open.has_state()) {
    open.restore(path, limits::kCarryTimeout, std::move(observer));
  } else {
    open.begin_with(open.plan(), path, limits::kCarryTimeout, std::move(observer));
  }
}

void Restore::into_new(std::unique_ptr<HostSession> before) {
  old = std::move(before);
  const embed::CellNumber next =
      std::max(header.about.next_number, old ? old->next_number() : embed::CellNumber{1});
  const Result<HostSession*> opened = tools.registry.open(session, header.about.plan, next);
  if (!opened) return failed(opened.error().message);
  made = true;
  opened.value()->begin_with(
      opened.value()->plan(), path, limits::kCarryTimeout,
      when_carried([self = shared_from_this()](const CarriedState& state,
                                               const std::vector<std::string>& notices) {
        self->restored(state, notices);
      }));
}

// What there was before is there again.
void Restore::failed(const std::string& why) {
  if (old && tools.registry.find(session) == nullptr) {
    tools.registry.put_back(std::move(old));
  }
  fail(call, why);
}

void Restore::restored(const CarriedState& state, const std::vector<std::string>& notices) {
  if (!state.done) {
    const std::string why = fmt::format(
        "Nothing was restored into session '{}': {} {}", session, state.problem,
        old ? "The session that was there goes on." : "Mend that, or name another state.");
    if (!made) return fail(call, why);
    // Not from within a call of the session itself.
    return tools.registry.later([self = shared_from_this(), why] {
      self->tools.registry.discard(
          self->session,
          "The cell was not run: the state it was waiting for could not be restored.");
      self->failed(why);
    });
  }
  if (old) {
    old->end(embed::Status::Interrupted,
             "The cell was stopped or not run: restore_session put another state in the place of "
             "its session, as it was asked to.");
    tools.registry.later([gone = std::shared_ptr<HostSession>(std::move(old))] {});
  }
  take_history();
  CarriedState::Reasons missing = state.missing;
  missing.insert(missing.end(), state.left_behind.begin(), state.left_behind.end());
  missing.insert(missing.end(), state.troubles.begin(), state.troubles.end());
  const HostSession* open = tools.registry.find(session);
  std::string text = fmt::format(
      "Session '{}' has {} restored from {}, as they were after cell {} ({}): {}.", session,
      state.names.size() == 1 ? "1 name" : fmt::format("{} names", state.names.size()), path,
      header.about.cell, time_text(header.about.saved_at), some_names(state.names));
  if (!missing.empty()) text += fmt::format("\nMissing: {}. Make them again.", in_words(missing));
  append_notices(text, notices);
  answer(call, std::move(text),
         {{"session", session},
          {"path", path},
          {"saved_at", time_text(header.about.saved_at)},
          {"cell", header.about.cell},
          {"next_cell", open != nullptr ? open->next_number() : header.about.next_number},
          {"python", header.python},
          {"isolation", to_string(open != nullptr ? open->plan().room : header.about.plan.room)},
          {"restored", state.names},
          {"missing", listed(missing)},
          {"notices", notices}});
}

// --- how they are listed -------------------------------------------------------------------------

Json names() { return list_of(text_type()); }

Json reasons() { return list_of(object_of({{"name", text_type()}, {"reason", text_type()}})); }

mcp::Tool save_tool(const StateTools& tools) {
  mcp::Tool tool;
  tool.name = "save_session";
  tool.title = "Save session";
  tool.description =
      "Writes a session's names to disk, for restore_session now or after a restart, also of the "
      "server. Names what can't be saved (open files, threads, generators …) and why.";
  tool.input_schema = {
      {"type", "object"},
      {"properties",
       {{"session", session_argument()},
        {"path", described("string", "file to write; default: a store under the session's name")}}},
      {"additionalProperties", false}};
  tool.output_schema = object_of({{"session", text_type()},
                                  {"path", text_type()},
                                  {"bytes", type("integer")},
                                  {"python", text_type()},
                                  {"cell", type("integer")},
                                  {"saved", names()},
                                  {"left_behind", reasons()},
                                  {"notices", names()}});
  tool.annotations = annotations({.idempotent = true});
  tool.handler = [tools](const Call& call) { save_session(call, tools); };
  return tool;
}

mcp::Tool restore_tool(const StateTools& tools) {
  mcp::Tool tool;
  tool.name = "restore_session";
  tool.title = "Restore session";
  tool.description =
      "Opens a session with the names that save_session wrote, its packages and limits; without a "
      "saved state, with the last automatic checkpoint of that name. Names what is missing. "
      "Refuses when the session has names, unless replace=true. Unpickles: trust the file.";
  tool.input_schema = {
      {"type", "object"},
      {"properties",
       {{"session", session_argument()},
        {"path", described("string", "file to read; default: what is stored under the name")},
        {"replace", described("boolean", "end the session of that name first; default false")}}},
      {"additionalProperties", false}};
  tool.output_schema = object_of({{"session", text_type()},
                                  {"path", text_type()},
                                  {"saved_at?", text_type()},
                                  {"cell", type("integer")},
                                  {"next_cell", type("integer")},
                                  {"python", text_type()},
                                  {"isolation", text_type()},
                                  {"restored", names()},
                                  {"missing", reasons()},
                                  {"notices", names()}});
  tool.annotations = annotations({.destructive = true, .idempotent = true});
  tool.handler = [tools](const Call& call) { std::make_shared<Restore>(call, tools)->begin(); };
  return tool;
}

}  // namespace

void add_state_tools(mcp::ToolCatalog& catalog, SessionRegistry& registry,
                     const StatePlaces& places) {
  const StateTools tools{registry, places};
  catalog.add(save_tool(tools));
  catalog.add(restore_tool(tools));
}

mcp::Json restorable_states(const SessionRegistry& registry, const StatePlaces& places) {
  Json list = Json::array();
  const auto add = [&](const std::vector<StoredState>& states, const char* kind) {
    for (const StoredState& each : states) {
      if (list.size() >= kListedStates) return;
      if (registry.sessions().contains(each.session)) continue;
      list.push_back({{"session", each.session},
                      {"kind", kind},
                      {"written_at", time_text(each.written_at)},
                      {"bytes", each.bytes}});
    }
  };
  add(states_in(saved_folder(places.root)), "saved");
  add(checkpoints_left(places.root, places.working_directory), "checkpoint");
  return list;
}

}  // namespace pyember::host

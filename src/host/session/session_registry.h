#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "host/loop/loop_poster.h"
#include "host/session/host_session.h"
#include "host/session/session_cpus.h"
#include "host/session/session_rooms.h"
#include "journal/session_log.h"

namespace pyember::host {

class SavedTools;

struct SessionSettings {
  std::size_t maximum_sessions = limits::kMaximumSessions;
  std::size_t maximum_queued_cells = limits::kMaximumQueuedCells;
  std::chrono::milliseconds idle_timeout = limits::kIdleSessionTimeout;  // 0: never
  std::uint64_t held_output_bytes = limits::kHeldOutputBytes;
  std::string working_directory;                  // of new sessions; empty: the server's
  std::string folders_directory;                  // of their folders; empty: they have none
  std::shared_ptr<const SavedTools> saved_tools;  // functions that code has saved; null: none
  Isolation isolation = Isolation::InProcess;     // of sessions whose caller names none
  bool always_behind_boundary = false;            // whatever a caller names; `isolation` has one
  journal::SessionLog* log = nullptr;             // of what must outlive the server; null: nothing
  std::string owner;                              // whose sessions they are, in that log
  std::string principal;  // the same, as callers over HTTP are named; empty: local
  std::chrono::milliseconds carry_timeout = limits::kCarryTimeout;  // of a state, there and back
  SessionCpus* cpus = nullptr;  // of all registries there are; null: this is the only one
  // Sessions that other registries have open, of which all together may have `all_sessions`; empty:
  // there are no others.
  std::function<std::size_t()> others_open = {};
  std::size_t all_sessions = limits::kMaximumSessionsOfAll;
};

// A session that is no more, and why, so that the next call can say so.
struct Tombstone {
  std::string name;
  std::string why;  // "it was closed after 24 h without a call"
  embed::CellNumber next_number = 1;
  std::uint64_t at_ns = 0;
  bool asked_for = false;  // closed by its client: no surprise
  journal::SessionEntry entry =
      {};  // of one that a server before this one had: the next must know it
};

// The sessions by name. Makes them on first use, bounds them and closes idle ones. Loop's thread
// only; destroying it drops every cell without an answer.
class SessionRegistry {
 public:
  SessionRegistry(SessionRooms& rooms, EventLoop& loop, LoopPoster& poster,
                  SessionSettings settings);
  ~SessionRegistry();

  // Gives a cell to the named session, which is made if there is none.
  Result<embed::CellNumber> run(const std::string& name, CellSpec spec,
                                std::unique_ptr<CellObserver> observer);
  // The same for candidates that race in copies of it.
  Result<embed::CellNumber> race(const std::string& name, CellSpec spec, RaceOrder order,
                                 std::unique_ptr<CellObserver> observer);
  void cancel(const std::string& name, embed::CellNumber number);
  // Of a session that has run nothing yet; the error: it can't be had.
  Result<SessionPlan> new_session_plan(const SessionWish& wish) const;

  HostSession* find(const std::string& name);
  // The same for a caller who needs one: why there is none, and whether there could be.
  Result<HostSession*> require(const std::string& name);
  // A new session, which counts its cells from `first` on, or from where an earlier one of that
  // name stopped, if that is more. An error when there is one, or no room for it.
  Result<HostSession*> open(const std::string& name, SessionPlan plan, embed::CellNumber first);
  // The folder of a session; `to_fill` opens the session when there is none of that name.
  Result<SessionFolder*> folder_of(const std::string& name);
  Result<SessionFolder*> folder_to_fill(const std::string& name);
  // For the server's start and end.
  SessionFolders& folders() { return folders_; }
  // Why there is no session of that name, and what to do.
  Error no_session(const std::string& name) const;
  Result<void> close(const std::string& name);
  // Ends a session that could not begin; its cells are answered as lost.
  void give_up(const std::string& name, const std::string& why);
  const std::map<std::string, std::unique_ptr<HostSession>>& sessions() const { return sessions_; }
  const std::vector<Tombstone>& tombstones() const { return tombstones_; }

  // A session of a server before this one, which is gone.
  void mourn(const std::string& name, std::string why, embed::CellNumber next_number);

  // Takes a session out without ending it, and back; null: there is none of that name.
  std::unique_ptr<HostSession> set_aside(const std::string& name);
  void put_back(std::unique_ptr<HostSession> session);
  // Ends a session that is to be forgotten as if it had never been.
  void discard(const std::string& name, const std::string& why);
  // Lets sessions begin that wait for their first use.
  void begin_all_now();
  // Does something in a later turn of the loop.
  void later(std::function<void()> work) { poster_.post(std::move(work)); }
  // Called when a session was closed or emptied by its client.
  void on_state_gone(std::function<void(const std::string&)> callback) {
    state_gone_ = std::move(callback);
  }

  // From now on every run() fails with this message.
  void refuse(std::string message) { refusal_ = std::move(message); }
  // Ends every cell with `status`; sessions are gone afterwards. For the end of the server.
  void end_all(embed::Status status, const std::string& why);
  // Nothing begins any more; what waits stays unanswered until end_all(). For a server that leaves
  // it to the next one.
  void hold_back();
  // Asks every running cell to stop and takes the waiting ones back.
  void interrupt_all(const std::string& why);
  std::size_t busy_sessions() const;
  // Ends the session that holds most memory (a busy one, if any is); its name, or empty.
  std::string stop_largest(const std::string& why);
  // That session's: whether it is busy, and bytes; none: it compares as the least.
  using Weight = std::pair<bool, std::int64_t>;
  Weight heaviest() const;

  void tick(std::uint64_t now_ns);
  // Called when what the resource list shows has changed.
  void on_outputs_changed(std::function<void()> callback) {
    outputs_changed_ = std::move(callback);
  }
  void outputs_changed() {
    if (outputs_changed_) outputs_changed_();
  }

  // Called for every piece of output, with the cell it was given to.
  using OutputCallback = std::function<void(const HostSession&, embed::CellNumber, Stream)>;
  void on_output(OutputCallback callback) { output_callback_ = std::move(callback); }
  void output_arrived(const HostSession& session, embed::CellNumber number, Stream stream) {
    if (output_callback_) output_callback_(session, number, stream);
  }

  // --- for HostSession ---
  std::unique_ptr<SessionLink> open_link(HostSession& session, SessionLink::Owner& owner,
                                         std::uint64_t& id);
  // The same, to a live copy of another session's.
  std::unique_ptr<SessionLink> open_copied_link(HostSession& session, SessionLink::Owner& owner,
                                                embed::Session& original, Copied copied,
                                                std::uint64_t& id);
  // To a copy of the session that is below; wakes this one.
  std::unique_ptr<SessionLink> open_copy_link(HostSession& session, embed::Session& original,
                                              SessionLink::Owner& owner, Copied copied,
                                              std::uint64_t& id);
  void retire_link(std::unique_ptr<SessionLink> link, std::uint64_t id);
  SessionCpus& cpus() { return cpus_; }
  void state_gone(const std::string& name) {
    if (state_gone_) state_gone_(name);
  }
  // What serves the calls of MCP servers that code makes; before the first session. It outlives
  // them.
  void serve_calls(CallService& service) { calls_ = &service; }
  CallService* calls() { return calls_; }
  const SessionSettings& settings() const { return settings_; }
  SessionRooms& rooms() { return rooms_; }

 private:
  void wake(std::uint64_t id);
  void remember(Tombstone tombstone);
  HostSession& make(const std::string& name, SessionPlan plan, embed::CellNumber first = 1);
  Result<void> may_open(const std::string& name) const;
  Result<HostSession*> with_room_for_a_cell(const std::string& name, const SessionWish* wish);
  Result<HostSession*> find_or_make(const std::string& name, const SessionWish& wish);
  Result<void> give_folder(HostSession& session);
  embed::SessionOptions options_for(HostSession& session);
  std::unique_ptr<SessionLink> link_to(const SessionLink::Opener& open, SessionLink::Owner& owner,
                                       std::uint64_t id);

  SessionRooms& rooms_;
  EventLoop& loop_;
  LoopPoster& poster_;
  const SessionSettings settings_;
  std::string refusal_;

  std::optional<SessionCpus> own_cpus_;
  SessionCpus& cpus_;
  std::function<void()> outputs_changed_;
  OutputCallback output_callback_;
  std::function<void(const std::string&)> state_gone_;

  CallService* calls_ = nullptr;
  std::vector<char> chunk_;
  std::vector<std::unique_ptr<SessionLink>> retired_;
  std::unordered_map<std::uint64_t, HostSession*> by_link_;
  std::uint64_t next_link_ = 1;
  std::vector<Tombstone> tombstones_;  // oldest first
  SessionFolders folders_;             // outlives those of the sessions
  std::map<std::string, std::unique_ptr<HostSession>> sessions_;
};

// Session names are 1 to 64 characters of [A-Za-z0-9_.-].
Result<void> check_session_name(std::string_view name);

}  // namespace pyember::host

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "embed/session.h"
#include "host/loop/loop_poster.h"
#include "host/output/output_store.h"
#include "host/upstream/session_calls.h"

namespace pyember::host {

// The host's end of one embedded session: owns it, polls its two pipes, brings what it tells to
// the loop's thread, and decides to which cell each byte belongs. Gone as soon as the session is
// lost, closed or replaced; the HostSession that owns it goes on.
//
// Whose bytes are these? A read is followed by a look at the events, and both are one step for the
// session (Session::reading_output). A cell that ended with has_output=false wrote nothing that was
// not read before; the bytes are of a later one. A cell that ended with has_output=true holds its
// session back until its pipes are empty, so the bytes are its own. Else they belong to the cell
// that runs, or to none.
class SessionLink final : public embed::SessionListener, private SessionCalls::Owner {
 public:
  // Where events go, on the loop's thread. The link must not be destroyed from within.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void link_output(Stream stream, std::string_view bytes) = 0;  // of the cell in front
    virtual void link_cell_finished(embed::CellNumber number, embed::CellOutcome outcome) = 0;
    virtual void link_names_ready(std::uint64_t ticket, std::vector<embed::NameInfo> names) = 0;
    virtual void link_reset_finished(std::uint64_t ticket) = 0;
    virtual void link_lost(std::string reason) = 0;
    // Before the session's first cell; from within a callback of the loop. See SessionListener.
    virtual void link_folder_opened(int /*directory*/, const std::string& /*path*/) {}
    // For what the code of that cell, which runs, asks of MCP servers; null: it may ask nothing.
    virtual std::shared_ptr<RunPermit> link_permit(embed::CellNumber) { return nullptr; }
  };

  // `wake` is called on any thread when events wait; it must bring about a call of pump() on the
  // loop's thread, and may outlive the link.
  // `chunk` is read into; all links of a loop may share it. `calls`: what serves the code's calls
  // of MCP servers; null: nothing does.
  struct Place {
    EventLoop& loop;
    LoopPoster& poster;
    std::vector<char>& chunk;
    CallService* calls = nullptr;
  };
  using Opener = std::function<std::unique_ptr<embed::Session>(embed::SessionListener&)>;
  SessionLink(const Opener& open, Place place, Owner& owner, std::function<void()> wake);
  ~SessionLink() override;

  embed::Session& session() { return *session_; }

  // Handles the events that wait.
  void pump();
  // Reads what is in the pipes now, for a session that is about to be destroyed.
  void read_what_is_left();
  // From here on another one hears what comes.
  void set_owner(Owner& owner) { owner_ = &owner; }
  // From here on the owner hears nothing more.
  void silence() { owner_ = nullptr; }
  // After silence(): the owner hears what comes from here on.
  void speak(Owner& owner);

 private:
  struct CellFinished {
    embed::CellNumber number;
    embed::CellOutcome outcome;
    bool has_output;
  };
  struct NamesReady {
    std::uint64_t ticket;
    std::vector<embed::NameInfo> names;
  };
  struct ResetFinished {
    std::uint64_t ticket;
  };
  struct CallsWanted {};
  struct Lost {
    std::string reason;
  };
  using Event = std::variant<CellFinished, NamesReady, ResetFinished, CallsWanted, Lost>;

  void cell_finished(embed::CellNumber number, embed::CellOutcome outcome,
                     bool has_output) noexcept override;
  void names_ready(std::uint64_t ticket, std::vector<embed::NameInfo> names) noexcept override;
  void reset_finished(std::uint64_t ticket) noexcept override;
  void folder_opened(int directory, const std::string& path) noexcept override;
  void calls_wanted() noexcept override;
  void calls_opened(std::shared_ptr<CallPipes> pipes) noexcept override;
  void session_lost(std::string reason) noexcept override;
  void push(Event event);
  embed::CellNumber running_cell() override;
  std::shared_ptr<RunPermit> permit_for(embed::CellNumber cell) override;
  void open_calls();

  struct Pipe {
    int fd;
    Stream stream;
    std::unique_ptr<Poll> poll;
    bool ended = false;
  };

  void readable(Pipe& pipe);
  bool read_piece(Pipe& pipe, std::string_view& piece);
  void handle(Event& event);
  void drain(Pipe& pipe);
  void deliver_piece();

  Owner* owner_;
  EventLoop& loop_;
  LoopPoster& poster_;
  const std::function<void()> wake_;
  std::vector<char>& chunk_;
  CallService* const call_service_;

  std::mutex mutex_;
  std::vector<Event> arrived_;  // guarded by mutex_
  std::atomic<bool> any_arrived_{false};
  std::vector<Event> handling_;  // loop's thread; kept for its capacity

  Stream piece_stream_ = Stream::Stdout;
  std::string_view piece_;  // read, and not yet given to a cell

  // What may outlive the session asks whether this is still there.
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
  std::unique_ptr<embed::Session> session_;
  std::unique_ptr<SessionCalls> calls_;  // null: its code has asked for nothing yet
  Pipe stdout_{};
  Pipe stderr_{};
};

}  // namespace pyember::host

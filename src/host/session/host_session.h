#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_affinity.h"
#include "host/output/output_store.h"
#include "host/session/session_history.h"
#include "host/session/session_link.h"
#include "host/session/session_plan.h"
#include "host/session/session_products.h"
#include "host/session/session_rooms.h"
#include "host/state/session_state_file.h"
#include "journal/session_log.h"

namespace pyember::host {

class Race;
class SessionRegistry;
struct RaceOrder;
struct RaceResult;

// What a caller wants run.
struct CellSpec {
  std::string code;
  std::chrono::milliseconds timeout{};
  bool background = false;                       // its end is remembered for inspect_session
  std::unique_ptr<SessionWish> wish = {};        // null: nothing is asked of the session
  std::atomic<std::uint8_t>* begun = nullptr;    // set to 1 when it begins to run; null: nothing
  // The MCP servers that its code may use, as configured; null: all. See UpstreamGateway::allow().
  std::shared_ptr<const std::vector<std::string>> servers = {};
  embed::CellKind kind = embed::CellKind::Code;  // HostSession::save() and restore() give others
  // Where its client's call stands in a trace, for what its code asks of upstreams; null: nowhere.
  std::shared_ptr<const mcp::TraceContext> trace = {};
};

// Where a session's state goes.
struct StateOrder {
  std::string path;                     // absolute
  std::chrono::milliseconds timeout{};  // what was not pickled by then is left behind
  // A state that is kept tells about its session (state/state_file.h), and is on the disk when it
  // is done; one that is carried elsewhere at once needs neither.
  enum class Use { Carried, Kept } use = Use::Carried;
  std::string more = {};  // kept beside it
};

// A cell that is over, as its observer sees it.
struct CellEnd {
  const std::string& session;
  embed::CellNumber number;
  embed::CellOutcome& outcome;                // may be moved from
  CellOutput* output;                         // null: it wrote nothing, or its output was dropped
  Isolation isolation;                        // in which it ran
  const SessionProducts* products = nullptr;  // what it showed and wrote; null: nobody kept it
  const RaceResult* race = nullptr;           // null: it was no race
};

// Whoever waits for a cell. Owned by the cell; called on the loop's thread.
class CellObserver {
 public:
  virtual ~CellObserver() = default;
  virtual void cell_output(Stream, std::string_view) {}
  // The client's call that it is for, by which the person behind the client can be asked; null:
  // there is none.
  virtual std::shared_ptr<mcp::ToolCall> client() const { return nullptr; }
  virtual void cell_ended(CellEnd end) = 0;  // the last call
};

// A cell that has not ended. The one in front of the queue runs, the others wait.
struct Cell {
  embed::CellNumber number = 0;
  std::chrono::milliseconds timeout{};
  std::string code_excerpt;
  bool background = false;
  std::uint64_t running_since_ns = 0;  // 0: waits
  std::unique_ptr<CellObserver> observer;
  std::vector<std::string> notices{};  // what its answer has to say besides its own
  embed::CellKind kind = embed::CellKind::Code;
  std::string code{};  // for the history; empty: it goes into none
  std::shared_ptr<const std::vector<std::string>> servers{};  // as in its CellSpec
  std::shared_ptr<const mcp::TraceContext> trace{};
};

// How a background cell ended.
struct EndedCell {
  embed::CellNumber number = 0;
  embed::CellOutcome outcome;
  Isolation isolation = Isolation::InProcess;
};

// A named session as its clients know it: its queue, its numbering, its output. Stays when the
// session under it is lost: the next cell then gets a new one, and is told so.
//
// Cells go to the session below at once, which queues them. They are held here only while it has to
// be changed first: an environment is being made for a cell, or the state moves to a worker.
//
// Owned by the SessionRegistry; loop's thread only.
class HostSession final : private SessionLink::Owner {
 public:
  using NamesCallback = std::function<void(std::optional<std::vector<embed::NameInfo>>)>;
  using ResetCallback = std::function<void(std::string note)>;

  HostSession(std::string name, embed::CellNumber first, SessionPlan plan,
              SessionRegistry& registry);
  ~HostSession() override;

  const std::string& name() const { return name_; }
  const SessionPlan& plan() const { return plan_; }
  bool busy() const { return !cells_.empty() || !resets_.empty() || move_.has_value(); }
  const std::deque<Cell>& cells() const { return cells_; }
  const std::deque<EndedCell>& ended_background() const { return ended_; }
  embed::CellNumber next_number() const { return next_number_; }
  std::uint64_t cells_completed() const { return cells_completed_; }
  std::uint64_t idle_since_ns() const { return idle_since_ns_; }
  std::int64_t memory_bytes() const;  // with the copies that are kept for undo
  OutputStore& outputs() { return outputs_; }
  const OutputStore& outputs() const { return outputs_; }
  SessionProducts& products() { return products_; }
  const SessionProducts& products() const { return products_; }
  SessionHistory& history() { return history_; }
  const SessionHistory& history() const { return history_; }

  // The registry has checked the limits. An error when the session can't be what the cell asks for;
  // nothing has happened then.
  Result<embed::CellNumber> submit(CellSpec spec, std::unique_ptr<CellObserver> observer);

  // The same for candidates that race (race.h), of which one may become the session. The session is
  // a worker then; one that has to stay in the server's process is an error.
  Result<embed::CellNumber> submit_race(CellSpec spec, RaceOrder order,
                                        std::unique_ptr<CellObserver> observer);

  // Writes the names to a file behind the cells there are; takes a cell's number. The observer's
  // outcome is read with carried_state(). A session that has never run saves no names.
  embed::CellNumber save(StateOrder order, std::unique_ptr<CellObserver> observer);
  // Adds the names of a file behind the cells there are; takes a cell's number.
  embed::CellNumber restore(std::string path, std::chrono::milliseconds timeout,
                            std::unique_ptr<CellObserver> observer);
  // For a session that has run nothing yet: opens it where the plan says and begins with the names
  // of a file. Cells that come meanwhile wait. Takes the number before the session's first one; of
  // a session that counts from 1, number 1.
  embed::CellNumber begin_with(SessionPlan plan, std::string path,
                               std::chrono::milliseconds timeout,
                               std::unique_ptr<CellObserver> observer);

  // The same, when a cell comes or somebody asks. For a session that was there before the server.
  using MakeObserver = std::function<std::unique_ptr<CellObserver>()>;
  void begin_when_used(std::string path, MakeObserver observer);
  void begin_now();

  // Its state may be written unasked: it is idle, has run something and is not too large.
  bool may_checkpoint() const;
  void checkpoint(const std::string& path, std::uint64_t maximum_bytes);
  embed::CellNumber last_ended() const { return last_ended_; }

  // Takes a waiting cell out of the queue, or stops the one that runs. No effect on others.
  void cancel(embed::CellNumber number);
  // Stops the cell that runs; its number, or 0 when none does.
  embed::CellNumber interrupt();
  // For a session that has run nothing yet: opens it as a live copy of another, made behind the
  // cells that this one has now (Workers::open_copy). Cells that come meanwhile wait.
  void begin_as_copy(HostSession& original, Copied copied);
  // Calls back once no environment is made for a cell of the session and its state is not on its
  // way elsewhere: at once, usually.
  void when_settled(std::function<void()> callback);
  // It has an interpreter; else there is nothing of it that could be copied.
  bool has_state() const { return link_ != nullptr; }
  // Goes back to the state before the last `steps` cells; also when the session was lost in one.
  // Calls back when no copy of it is being made, once, also when it is closed meanwhile.
  void when_free(std::function<void()> callback);
  using UndoDone = std::function<void(Result<Undone>)>;
  void undo(std::size_t steps, UndoDone done);
  std::size_t copies_kept() const;

  // Cells that wait are not begun any more, nor answered before the end.
  void hold_back();
  // Ends waiting cells without running them, as interrupted.
  void withdraw_waiting(const std::string& why);
  void reset(ResetCallback done);
  // The names of an idle session; nullopt when it has become busy or does not answer.
  void inspect(NamesCallback done);
  // Ends every cell and lets go of the embedded session. Its cells are answered with `status`.
  void end(embed::Status status, const std::string& why);
  // What the next answer has to say besides its own.
  void add_notice(std::string notice) { notices_.push_back(std::move(notice)); }

  void tick(std::uint64_t now_ns);
  void pump();

  // For the registry's care for CPUs.
  std::uint64_t busy_since_ns() const { return busy_since_ns_; }
  bool runs_long() const { return runs_long_; }
  void set_runs_long(bool runs_long) { runs_long_ = runs_long; }
  HomeThread& home_thread() { return home_thread_; }
  pid_t thread_id() const { return link_ ? link_->session().thread_id() : 0; }

 private:
  void link_output(Stream stream, std::string_view bytes) override;
  void link_cell_finished(embed::CellNumber number, embed::CellOutcome outcome) override;
  void link_names_ready(std::uint64_t ticket, std::vector<embed::NameInfo> names) override;
  void link_reset_finished(std::uint64_t ticket) override;
  void link_lost(std::string reason) override;
  void link_folder_opened(int directory, const std::string& path) override;
  std::shared_ptr<RunPermit> link_permit(embed::CellNumber number) override;

  struct Inspection {
    std::uint64_t deadline_ns;
    NamesCallback done;
  };

  // A cell that waits until the session is what it needs.
  struct Held {
    embed::CellRequest request;
    std::optional<SessionPlan> plan;    // what the session must be; its place is made meanwhile
    std::unique_ptr<SessionWish> wish;  // of which the plan came; null when there is none
    std::uint64_t preparing = 0;        // the request for its environment; 0: none, or it is ready
    std::vector<std::string> packages{};  // that are in the environment
    std::string problem{};  // why there is no environment; empty: there is, or none is needed
    std::unique_ptr<RaceOrder> race{};  // null: a cell
  };

  // The state on its way from one session to another.
  struct Move {
    embed::CellNumber number = 0;  // under which it is carried
    std::string why;
    SessionStateFile file;
    bool restoring = false;
  };

  void hold(embed::CellRequest request, std::optional<SessionPlan> plan,
            std::unique_ptr<SessionWish> wish);
  const SessionPlan& planned() const;
  Result<SessionPlan> plan_with(const SessionWish& wish);
  void plan_again();
  void prepare_place(Held& held);
  void place_ready(embed::CellNumber number, Result<PreparedPlace> place);
  void do_without_imported(Held& held, const std::string& why);
  void fail_front();
  void advance();
  bool become(Held& held);
  void begin_move(embed::CellNumber number, SessionPlan plan, std::string why);
  void needs_worker(embed::CellNumber number, embed::CellOutcome outcome);
  void carried(embed::CellOutcome outcome);
  void open_moved(bool restore);
  void begin_anew_in_worker(const std::string& why);
  void begin_race(Held& held);
  bool race_runs(embed::CellNumber number) const;
  void race_ended();
  void close_race();
  void adopt(Race& race, const OutputStore& printed);
  void lose_race(const std::string& why);
  void forget_held();
  bool withdraw_held(embed::CellNumber number);

  static std::string excerpt_of(embed::CellKind kind, std::string_view code);
  std::string told_about(embed::CellNumber cell, embed::CellNumber next) const;
  void tell_again(embed::CellRequest& save) const;
  bool unused() const { return next_number_ == first_number_ && !begun_with_state_; }
  bool has_been_opened() const { return link_id_ != 0; }

  // Takes a cell that has not begun out of the queue and answers it; false: it has begun.
  bool withdraw(std::deque<Cell>::iterator cell, const std::string& why);
  // end() when there is none of that number.
  std::deque<Cell>::iterator cell_at(embed::CellNumber number);
  std::deque<Held>::iterator held_at(embed::CellNumber number);
  // Of the queue; the one behind it is then in front.
  Cell take_out(std::deque<Cell>::iterator cell);
  void open_link();
  void drop_link();
  void take_up_undone(embed::CellNumber cell);
  void keep_wreck();
  void drop_wreck();
  void settle();
  void finish(Cell cell, embed::CellOutcome outcome, const RaceResult* race = nullptr);
  void finish_unrun(Cell cell, embed::Status status, const std::string& why);
  void add_notices(const Cell& cell, embed::CellOutcome& outcome);
  void lose(const std::string& reason);
  void answer_waiting_questions(const std::string& reset_note);

  const std::string name_;
  SessionRegistry& registry_;
  OutputStore outputs_;
  SessionProducts products_;
  SessionHistory history_;
  std::unique_ptr<SessionLink> link_;
  std::uint64_t link_id_ = 0;
  // A session that was lost, of which copies live; until it is undone, or the next one is opened.
  std::unique_ptr<SessionLink> wreck_;
  std::uint64_t wreck_id_ = 0;
  std::string wreck_notice_;  // what the next one's first answer says of the loss
  std::vector<std::function<void()>> settled_;
  bool link_has_run_ = false;  // a cell; else it has no state yet
  bool begun_with_state_ = false;
  struct Seed {
    std::string path;
    MakeObserver observer;
  };
  std::unique_ptr<Seed> seed_;  // the state to begin with when it is used; null: none

  SessionPlan plan_;
  std::deque<Held> held_;
  std::unique_ptr<Race> race_;  // the cell in front is one; what is held waits for it
  std::optional<Move> move_;
  std::deque<Cell> cells_;
  std::deque<EndedCell> ended_;
  const embed::CellNumber first_number_;
  embed::CellNumber next_number_;
  journal::SessionEntry log_entry_;  // of what must outlive the server
  embed::CellNumber last_ended_ = 0;
  std::uint64_t cells_completed_ = 0;
  std::vector<std::string> notices_;

  std::uint64_t next_ticket_ = 1;
  std::map<std::uint64_t, Inspection> inspections_;
  std::map<std::uint64_t, ResetCallback> resets_;

  std::uint64_t busy_since_ns_ = 0;
  std::uint64_t idle_since_ns_ = 0;
  bool runs_long_ = false;
  HomeThread home_thread_;
};

}  // namespace pyember::host

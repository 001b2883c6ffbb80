#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/loop/uv_handle.h"
#include "host/workers/output_pipes.h"
#include "host/workers/parked_copies.h"
#include "host/workers/worker_process.h"
#include "host/workers/workers.h"

namespace pyember::host {

// A session in a worker: keeps its queue, sends one cell at a time, watches its deadline, stops it,
// and replaces the worker at a reset. Owned by whoever opened it; loop's thread only.
//
// What the owner calls never leads to a call of the listener: ends of workers, which may come from
// anywhere, are looked at in a turn of their own (turn()).
class ProcessSession final : public WorkerSession, private WorkerProcess::Owner {
 public:
  // Where its workers come from.
  class Source {
   public:
    virtual ~Source() = default;
    // To fork the next worker from; null: there is none any more.
    virtual Zygote* zygote() = 0;
    // The worker forked last imports from another place now, and the next one is forked for it.
    virtual void packages_changed(const WorkerPlace& place) = 0;
    // Code that the worker is about to run.
    virtual void code_given(std::string_view code) = 0;
    // Behind a boundary, where the server's files can't be seen.
    virtual bool bounded() const = 0;
    // For a copy of the session, whose worker is not forked from the zygote.
    virtual std::unique_ptr<Source> of_copy() const = 0;
  };

  ProcessSession(EventLoop& loop, std::unique_ptr<Source> source, ForkOrder order,
                 embed::SessionListener& listener);
  // A copy of another session, made when the cells that this one has now are over.
  ProcessSession(ProcessSession& original, embed::SessionOptions options,
                 embed::SessionListener& listener, Copied copied);
  ~ProcessSession() override;

  void submit(embed::CellRequest request) override;
  bool withdraw(embed::CellNumber number) override;
  std::vector<embed::CellRequest> take_back() override;
  void interrupt(embed::CellNumber number) override;
  void move_deadline(embed::CellNumber number, std::chrono::nanoseconds by) override;
  void output_drained(embed::CellNumber number) override;
  void inspect(std::uint64_t ticket) override;
  void reset(std::uint64_t ticket) override;
  void checkpoint(embed::CheckpointOrder order) override;
  std::optional<embed::RunningCell> running() const override { return running_; }
  std::int64_t memory_bytes() const override { return memory_bytes_; }
  pid_t thread_id() const override {
    return plain_ && worker_ && !worker_->end() ? worker_->pid() : 0;
  }
  int stdout_fd() const override { return pipes_.read_end(1); }
  int stderr_fd() const override { return pipes_.read_end(2); }
  void reading_output(bool) override {}  // both sides are on one thread

  void change_packages(const WorkerPlace& place) override;
  pid_t process_id() const override { return worker_ ? worker_->pid() : 0; }
  void keep_copies(std::size_t count) override { parked_.keep(count); }
  std::size_t copies_kept() const override { return parked_.size(); }
  void when_free(std::function<void()> callback) override;
  Result<embed::CellNumber> undo(std::size_t steps, Copied ready) override;

 private:
  using Clock = std::chrono::steady_clock;
  enum class Cause { None, Timeout, Interrupt };

  void worker_ready() override;
  void worker_done(CellDone& done) override;
  void worker_names(WorkerNames& names) override;
  void worker_forked() override;
  void worker_ended() override;

  // A copy that is to be made, behind the cell of that number.
  struct WantedCopy {
    embed::CellNumber after = 0;
    ProcessSession* session = nullptr;
  };

  void open_worker();
  void tell_of_room();
  void tell_of_calls();
  void tell_of_other_python();
  void bring_in(const WorkerPlace& place);
  void hand_in_state(embed::CellRequest& request);
  void take_out_state(embed::CellOutcome& outcome);
  bool make_wanted_copy();
  void leave_home_cpu();
  bool park_before(embed::CellNumber cell);
  void begin_as_copy(WorkerProcess& worker);
  void not_copied(const std::string& why);
  void tell_copied(Result<std::vector<std::string>> left);
  void tell_free();
  void measure_family();
  bool is_free() const;
  void advance();
  void send_cell(embed::CellRequest request);
  void set_deadline(const embed::CellRequest& request);
  Clock::time_point deadline() const { return std::min(call_deadline_, wall_deadline_); }
  void refuse_cells_without_time();
  void finish_cell(embed::CellOutcome outcome, bool has_output);
  void time_is_over();
  void stop(Cause cause);
  void ask();
  void stop_by_force();
  void turn();
  void look_at_end();
  void end_worker_for_reset();
  void replace_worker();
  void lose(const std::string& reason);
  embed::Status status_of(DoneStatus told) const;

  EventLoop& loop_;
  const std::unique_ptr<Source> source_;
  ForkOrder order_;  // with the packages of the last change
  embed::SessionListener& listener_;
  OutputPipes pipes_;
  std::deque<WantedCopy> wanted_copies_;
  ProcessSession* original_ = nullptr;  // of which this will be a copy; null: it has its own worker
  std::string why_not_copied_;
  Copied copied_;  // to be told
  std::vector<std::function<void()>> when_free_;
  ParkedCopies parked_;
  bool packages_changed_ = false;  // ever: a state to go back to may have others
  Clock::time_point measured_{};   // the memory of worker and copies together
  std::shared_ptr<const bool> measuring_ = std::make_shared<const bool>(true);
  std::unique_ptr<WorkerProcess> worker_;
  bool lost_ = false;
  bool calls_untold_ = false;  // the worker is another one, and so are the pipes of its calls

  std::deque<embed::CellRequest> queue_;  // cells that have not begun
  std::optional<embed::RunningCell> running_;
  embed::CellNumber undrained_ = 0;    // whose output has to be read before the next cell; 0: none
  Clock::time_point call_deadline_{};  // of the cell that runs: the caller's timeout
  Clock::time_point wall_deadline_{};  // by its limits of wall time
  std::string wall_notice_;            // what is said of a cell that those have stopped

  Cause cause_ = Cause::None;  // why the cell that runs must stop
  Clock::time_point stop_began_{};
  int times_asked_ = 0;

  std::optional<std::uint64_t> inspect_ticket_;  // to be asked
  std::optional<std::uint64_t> asked_ticket_;    // the worker owes the answer
  std::optional<std::uint64_t> reset_ticket_;
  bool replacing_ = false;  // the reset's new worker is on its way

  bool new_packages_ = false;  // of which the worker was not told
  int bringing_ = 0;           // packages on their way through the boundary; cells wait for them
  std::string state_path_;     // where the state goes that the cell which runs writes in there
  std::string state_about_;    // what the state must tell about itself
  std::vector<std::string> notices_;  // for the next cell's answer
  bool plain_ = false;                // may be held on one CPU
  std::int64_t memory_bytes_ = 0;
  std::uint64_t memory_kills_ = 0;  // of which a cell was told
  Clock::duration used_{};          // in which cells have run

  Timer timer_;  // of the cell that runs
  Timer turn_;
};

}  // namespace pyember::host

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/call_pipes.h"
#include "host/loop/uv_handle.h"
#include "host/workers/output_pipes.h"
#include "host/workers/shared_memory.h"
#include "host/workers/worker_end.h"
#include "host/workers/worker_groups.h"
#include "host/workers/worker_messages.h"
#include "host/workers/worker_wire.h"
#include "host/workers/zygote.h"

namespace pyember::host {

// One worker as its session sees it: asked for at once, talked to over its wire, stopped through
// its page, and its end explained. Destroying it kills the worker. Loop's thread only.
class WorkerProcess final : private WorkerWire::Owner, private Zygote::Child {
 public:
  // Called from the loop's callbacks. Must not destroy the process.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void worker_ready() = 0;
    virtual void worker_done(CellDone& done) = 0;
    virtual void worker_names(WorkerNames& names) = 0;
    // It has made a copy of itself, or could not: that one's owner is told.
    virtual void worker_forked() = 0;
    // Once, nothing comes after it; may come from within the constructor and from break_off().
    virtual void worker_ended() = 0;
  };

  WorkerProcess(EventLoop& loop, Zygote& zygote, const ForkOrder& order, const OutputPipes& pipes,
                Owner& owner);
  // A copy that another worker makes of itself, which must be ready and idle, and is not free until
  // its owner hears worker_forked(). Name and folder stay that one's where they are empty.
  WorkerProcess(EventLoop& loop, WorkerProcess& original, const ForkOrder& order,
                const OutputPipes& pipes, Owner& owner);
  ~WorkerProcess() override;
  void set_owner(Owner& owner) { owner_ = &owner; }

  bool ready() const { return ready_; }
  pid_t pid() const { return process_.pid; }  // 0: not made yet
  const std::optional<WorkerEnd>& end() const { return end_; }
  // It is busy with a copy of itself.
  bool forking() const { return copy_.has_value(); }
  // By which its code asks the server. Of no use before it is ready.
  const std::shared_ptr<CallPipes>& calls() const { return calls_; }
  // Of a copy that is ready: what it lacks, for people.
  const std::vector<std::string>& left() const { return left_; }

  void send(const std::string& header, std::string body = {});
  // Handles what it has sent, and was not looked at.
  void read_now();
  void ask_to_stop(embed::CellNumber cell);
  // How many processes the kernel has killed because it used more memory than its limit allows.
  std::uint64_t memory_kills_in_group() const;
  // The folder of its session and what is around it, where it runs behind a boundary; -1 and null
  // without.
  int folder() const { return zygote_ != nullptr ? zygote_->folder() : -1; }
  std::shared_ptr<ZygoteRoom> room() const { return room_; }
  // Of its Python, "3.13.0"; empty: it has ended.
  std::string version() const { return zygote_ != nullptr ? zygote_->version() : std::string(); }
  // It sent what it may not: it is killed.
  void break_off(const std::string& what);
  // Kills it to begin anew; worker_ended() comes when it and what it started are gone.
  void replace();

 private:
  void wire_frame(Frame& frame) override;
  void wire_ended(const std::string& broken) override;
  void forked(const ProcessIdentity& process) override;
  void not_forked(const std::string& why) override;
  void exited(const ExitReport& report) override;
  void zygote_lost(const std::string& why) override;

  // Of a copy that this worker makes: until it has told whether there is one.
  struct Copy {
    std::uint64_t id = 0;
    WorkerDescriptors descriptors;  // until they are sent
  };

  std::optional<WorkerDescriptors> prepare(const OutputPipes& pipes);
  ForkOrder grouped(const ForkOrder& order) const;
  std::uint64_t fork_copy(const ForkOrder& order, WorkerDescriptors descriptors,
                          Zygote::Child& child);
  void send_descriptors();
  void copy_made(pid_t pid);
  void no_copy(const std::string& why);
  void drop_copy();
  void time_is_over();
  WorkerEnd end_of(const ExitReport& report) const;
  void finish(WorkerEnd end);

  EventLoop& loop_;
  Zygote* zygote_;  // null once it has said its last
  Owner* owner_;
  std::uint64_t fork_id_ = 0;
  ProcessIdentity process_;
  const std::optional<std::uint64_t> memory_kills_before_;
  const std::shared_ptr<ZygoteRoom> room_;  // which has the groups then
  const WorkerGroups groups_;
  // Shared with whoever polls it, which may outlast the worker.
  const std::shared_ptr<CallPipes> calls_ = std::make_shared<CallPipes>();
  StopPage page_;
  CrashFile crash_;
  std::unique_ptr<WorkerWire> wire_;
  bool ready_ = false;
  std::vector<std::string> left_;
  std::optional<Copy> copy_;
  bool replaced_ = false;
  bool wire_over_ = false;  // the exit report is waited for
  std::chrono::steady_clock::time_point wire_over_at_{};
  std::optional<WorkerEnd> end_;
  Timer timer_;  // until it is ready, or has forked; then of the wait for the exit report
};

}  // namespace pyember::host

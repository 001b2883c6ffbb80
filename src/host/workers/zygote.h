#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "host/loop/uv_handle.h"
#include "host/runs/process_identity.h"
#include "host/runs/process_watch.h"
#include "host/workers/worker_messages.h"
#include "host/workers/worker_place.h"
#include "host/workers/zygote_log.h"
#include "host/workers/zygote_start.h"
#include "mcp/json.h"

namespace pyember::host {

// How a process ended: exactly one of the two, or neither when nobody could tell.
struct ExitReport {
  std::optional<int> code;
  std::optional<int> signal;
};

// The wire, the write ends of the pipes for 1 and 2, the stop page, the crash file.
using WorkerDescriptors = std::array<Descriptor, 7>;

// The server's end of one zygote (docs/workers.md): starts it, asks it for workers and hears of
// their ends. Owned by Workers; loop's thread only. What it says is checked; one that breaks the
// rules, dies or does not get ready in time is over, with all of its workers.
class Zygote {
 public:
  // Whoever asked for a worker; never called after forget(). The last three are each the last
  // call, and not_forked() may come from within fork_worker().
  class Child {
   public:
    virtual ~Child() = default;
    virtual void forked(const ProcessIdentity& process) = 0;
    virtual void not_forked(const std::string& why) = 0;
    virtual void exited(const ExitReport& report) = 0;
    virtual void zygote_lost(const std::string& why) = 0;
  };

  struct Settings {
    WorkerPlace place;
    std::string runtime_directory;
    std::vector<std::string> preloaded;     // asked for behind the workers that are waited for
    BoundaryStarter* boundaries = nullptr;  // for places that have one,
    WorkerLimits limits = {};               // and what may be used behind it
  };
  // `gone` is called once its process has ended and been reaped; it must not destroy the zygote.
  Zygote(EventLoop& loop, Settings settings, std::function<void()> gone);
  ~Zygote();
  Zygote(const Zygote&) = delete;
  Zygote& operator=(const Zygote&) = delete;

  bool usable() const { return stage_ == Stage::Starting || stage_ == Stage::Ready; }
  bool is_gone() const { return stage_ == Stage::Gone; }
  bool is_ready() const { return stage_ == Stage::Ready; }
  const std::string& version() const { return version_; }  // empty until it is ready
  const WorkerPlace& place() const { return settings_.place; }
  // What is around it; null: nothing. It may outlive the zygote.
  const std::shared_ptr<ZygoteRoom>& room() const { return room_; }
  // The folder of its sessions, where a boundary keeps them from the server's: a directory's
  // descriptor from when it is ready; -1: there is none.
  int folder() const { return folder_.get(); }

  std::uint64_t fork_worker(const ForkOrder& order, WorkerDescriptors descriptors, Child& child);
  // One of its workers is about to fork a copy of itself, a worker too from adopt_copy() on. The
  // one or the other of the two must follow; `no_copy` is told to the child.
  std::uint64_t expect_copy(Child& child);
  void adopt_copy(std::uint64_t id, pid_t pid);
  void no_copy(std::uint64_t id, const std::string& why);
  // Sends a signal to a worker that has been forked; through the zygote where the server may not.
  void signal(std::uint64_t id, int number);
  // Kills the worker, if there is one (yet): its Child hears no more of it.
  void forget(std::uint64_t id);
  void preload(const std::vector<std::string>& modules);
  // From now on it is kept however long it has no worker.
  void stay();
  // It is not needed any more: it ends in an orderly way, with all of its workers.
  void finish();

  // Kills it with all of its descendants, now; reap() then waits for nobody.
  void kill_now();
  bool reap();

 private:
  enum class Stage { Starting, Ready, Ending, Gone };
  struct Worker {
    Child* child = nullptr;  // null: forgotten
    pid_t pid = 0;           // as the zygote calls it; 0: not forked yet
    ProcessIdentity process;
  };
  struct Packet {
    std::uint64_t fork = 0;  // its id; 0: no fork
    std::string text;
    std::vector<Descriptor> descriptors;
  };

  Result<StartedZygote> start();
  void watch_control();
  void connected();
  void control_ready(int events);
  ssize_t receive(char* packet, std::size_t size);
  ProcessIdentity process_called(pid_t pid) const;
  void handle_packet(std::string_view text);
  void handle_message(const mcp::Json& message);
  void handle_hello(const mcp::Json& message);
  void handle_forked(const mcp::Json& message);
  void handle_not_forked(const mcp::Json& message);
  void handle_exited(const mcp::Json& message);
  void send_waiting();
  bool send(const Packet& packet);
  void send_message(std::string text);
  void fail_fork(std::uint64_t id, const std::string& why);
  void look_whether_idle();
  void end(std::string why, std::chrono::milliseconds grace);
  void look_for_end();
  std::string why_ended(const std::optional<int>& status) const;
  void gone(const std::string& why);

  EventLoop& loop_;
  const Settings settings_;
  const std::function<void()> gone_;
  Stage stage_ = Stage::Starting;
  bool stays_ = false;
  std::string version_;
  std::string why_;  // it must end; empty: by itself
  std::chrono::steady_clock::time_point kill_at_{};
  ProcessIdentity process_;
  Descriptor control_;
  bool listens_ = false;  // control_ waits for the zygote's connection
  Descriptor listener_;   // what it was before
  pid_t names_from_ = 0;  // its pids are looked for among this process and its descendants
  Descriptor folder_;
  std::shared_ptr<ZygoteRoom> room_;
  std::deque<Packet> waiting_;
  std::map<std::uint64_t, Worker> workers_;
  std::uint64_t next_id_ = 1;

  std::unique_ptr<ZygoteLog> log_;
  std::unique_ptr<Poll> listener_poll_;
  std::unique_ptr<Poll> poll_;
  std::unique_ptr<ProcessWatch> watch_;
  Timer deadline_;  // of its start, then of its idleness
  Timer look_;      // for its end
};

}  // namespace pyember::host

#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/limits.h"
#include "embed/session.h"
#include "host/workers/session_copies.h"
#include "host/workers/worker_place.h"

// Sessions that are processes of their own (docs/workers.md).
namespace pyember::host {

class BoundaryStarter;
class EventLoop;

// What the session of a worker can besides. Listener calls of such a session come on the loop's
// thread, never from within a call of its own methods.
class WorkerSession : public embed::Session {
 public:
  // From its next cell on it imports from that place's directories in place of those it had. The
  // Python stays as it is.
  virtual void change_packages(const WorkerPlace& place) = 0;
  // Of the worker, for people; 0 until there is one.
  virtual pid_t process_id() const = 0;

  // From now on so many copies of it are kept, each made right before a cell, for undo(); 0: none.
  virtual void keep_copies(std::size_t count) = 0;
  // How many there are, also when the session was lost.
  virtual std::size_t copies_kept() const = 0;
  // Calls back when no copy of it is being made: at once, or within milliseconds; in any case once.
  virtual void when_free(std::function<void()> callback) = 0;
  // Goes back to the state before the last `steps` cells, at once; also when the session was lost,
  // which it then is no more. Returns the oldest cell that is undone; `ready` is called with what
  // the state lacks, from within this or later. An error when cells run or wait, a copy is being
  // made, or there is no such copy: nothing has happened then. A reset ends all copies.
  virtual Result<embed::CellNumber> undo(std::size_t steps, Copied ready) = 0;
};

// Owns the zygotes, one a place: started at its first use, kept warm, replaced when it died (its
// sessions are lost then), and ended after limits::kZygoteIdleTimeout without a worker. Packages
// that the sessions of a place import again and again its zygote is made to have ready. Outlives
// its sessions. Loop's thread only.
class Workers {
 public:
  struct Settings {
    std::string runtime_directory;          // holds the package mcp_runtime
    std::vector<std::string> preloaded;     // in every place that has them
    BoundaryStarter* boundaries = nullptr;  // for places that have one; outlives the workers
    // Zygotes kept ready behind the boundary that was used last.
    std::size_t bounded_spares = limits::kSpareRooms;
  };
  Workers(EventLoop& loop, Settings settings);
  ~Workers();  // as end(), with a short deadline

  // Never waits. The session waits for its process; what goes wrong is told by
  // SessionListener::session_lost in a later turn.
  std::unique_ptr<embed::Session> open_session(const WorkerPlace& place, const WorkerLimits& limits,
                                               embed::SessionOptions options,
                                               embed::SessionListener& listener);

  // Opens a live copy of a session: fork(), behind the cells that wait in it now and before those
  // that come later. It has all of the session's state but what `copied` tells, is a session like
  // any other from then on, with limits, process, outputs of its own, and neither ends with the
  // other. Cells that are given to it before it is there wait. `options`: an empty folder, name or
  // working directory stays as the session has it; a folder is filled with the session's files. A
  // copy of 100 MB takes a few milliseconds, in which the session runs nothing.
  std::unique_ptr<embed::Session> open_copy(embed::Session& session, embed::SessionOptions options,
                                            embed::SessionListener& listener, Copied copied);

  // Starts the zygote of a place, so that its first session need not wait for it, and keeps it
  // however long it has no worker.
  void warm(const WorkerPlace& place);
  // The same, and has it import modules, those that leave no thread running, before its next
  // worker: each of its workers then has them for nothing.
  void preload(const WorkerPlace& place, const std::vector<std::string>& modules);

  // Kills every zygote and worker with what they started, and waits at most `deadline` for their
  // ends. Sessions can't be opened from here on. For the end of the program.
  void end(std::chrono::milliseconds deadline);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pyember::host

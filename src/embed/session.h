#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/call_pipes.h"
#include "embed/execution.h"

// An in-process session: one own-GIL sub-interpreter on its own OS thread.
namespace pyember::embed {

// What a session's code may not do; can't be undone (docs/isolation.md).
struct Confinement {
  bool no_network = false;                              // sockets of families other than AF_UNIX
  std::optional<std::vector<std::string>> write_paths;  // absolute; set: writes go nowhere else
  bool any() const { return no_network || write_paths.has_value(); }
};

struct SessionOptions {
  std::string name;               // shown in tracebacks and log lines
  std::string working_directory;  // absolute; empty: the server's
  // Look at a cell's imports before it runs, and answer CellOutcome::needs_worker instead of
  // running one that this kind of session can't serve.
  bool look_ahead = false;
  Confinement confinement;
  std::string folder;  // absolute, exists: files of the session that its clients see; empty: none
  bool saved_tools = false;  // functions that code has saved are loaded before its first cell
};

// What a session tells its owner. Called on the session's thread or on the stopper's, never with
// the GIL held and never on the loop's thread; implementations only post to the loop.
class SessionListener {
 public:
  virtual ~SessionListener() = default;

  // A cell is over. When `has_output` is true the session's thread starts no other cell until
  // Session::output_drained(number): what is in the pipes now belongs to this cell. When it is
  // false the cell wrote nothing and the next one may already be running.
  virtual void cell_finished(CellNumber number, CellOutcome outcome, bool has_output) noexcept = 0;

  // Answer to Session::inspect().
  virtual void names_ready(std::uint64_t ticket, std::vector<NameInfo> names) noexcept = 0;

  // The namespace is empty again (answer to Session::reset()).
  virtual void reset_finished(std::uint64_t ticket) noexcept = 0;

  // Its files are in a folder of its own and not in SessionOptions::folder: from now on, before its
  // first cell. The descriptor is borrowed for this call; `path` is what the session's code calls
  // it.
  virtual void folder_opened(int /*directory*/, const std::string& /*path*/) noexcept {}

  // Its code wants to ask the server for something and has no pipes for it: answered by
  // Session::give_calls(). Only in-process sessions, on any of their threads.
  virtual void calls_wanted() noexcept {}
  // The pipes by which its code asks from here on; those before are of no use any more. Only
  // workers, which have them from their beginning, on the loop's thread.
  virtual void calls_opened(std::shared_ptr<CallPipes> /*pipes*/) noexcept {}

  // The session's state is gone and it will run nothing more; cells still queued were not run.
  // `reason` is for people. Comes after cell_finished(…, Lost) of the cell that ran, if any.
  virtual void session_lost(std::string reason) noexcept = 0;
};

// What runs now, readable from any thread without waiting for it.
struct RunningCell {
  CellNumber number = 0;
  std::chrono::steady_clock::time_point since{};
};

// Owner: the host's session registry, on the loop's thread; every method is called there, returns
// at once and never touches Python. Destroying a Session closes it: the running cell is stopped,
// queued cells are dropped without an answer, and the interpreter goes back to the pool, or is
// retired when it could not be brought back to a clean state. No listener call comes after the
// destructor has returned.
class Session {
 public:
  virtual ~Session() = default;

  // Queues a cell; cells run in order. The owner bounds the queue (limits::kMaximumQueuedCells).
  virtual void submit(CellRequest request) = 0;

  // Takes a cell that has not begun out of the queue. False: it has begun, or is over.
  virtual bool withdraw(CellNumber number) = 0;

  // Takes out every cell that has not begun, in order. For an owner that moves them elsewhere.
  virtual std::vector<CellRequest> take_back() = 0;

  // Stops the running cell if its number is `number` (0: whichever runs). It ends as Interrupted,
  // or as Lost when nothing but force helped. Harmless when nothing runs.
  virtual void interrupt(CellNumber number) = 0;

  // Cell `number`, if it runs and is not to stop already, may run so much longer, or less.
  virtual void move_deadline(CellNumber /*number*/, std::chrono::nanoseconds /*by*/) {}

  // Everything in the pipes at the end of cell `number` has been read; see cell_finished.
  virtual void output_drained(CellNumber number) = 0;

  // Lists the namespace once no cell runs. The owner asks only idle sessions.
  virtual void inspect(std::uint64_t ticket) = 0;

  // Stops what runs, then empties the namespace and resets the modules. Queued cells must have
  // been withdrawn by the owner.
  virtual void reset(std::uint64_t ticket) = 0;

  // Writes the state of an idle session; a session that is not does nothing. Gives up when a cell
  // comes, unless the cell need not wait for it. Sessions that can't do it do nothing.
  virtual void checkpoint(CheckpointOrder) {}

  // The session's ends of the pipes that it wants (SessionListener::calls_wanted), which it opens
  // by their names before it writes anything; null: there are none for it.
  virtual void give_calls(const CallPipes* /*pipes*/) {}

  virtual std::optional<RunningCell> running() const = 0;
  virtual std::int64_t memory_bytes() const = 0;

  // The kernel's id of the session's thread, for placing it on a CPU; 0 until it has one.
  virtual pid_t thread_id() const = 0;

  // Read ends of the session's descriptors 1 and 2: non-blocking, owned by the session, valid from
  // construction to destruction. The owner polls them and reads until EAGAIN.
  virtual int stdout_fd() const = 0;
  virtual int stderr_fd() const = 0;

  // The loop's thread calls this before each read of the two descriptors and after it, so that
  // the session can tell "nothing was printed" from "it is being read just now".
  virtual void reading_output(bool reading) = 0;
};

}  // namespace pyember::embed

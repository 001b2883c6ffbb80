#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "embed/execution.h"
#include "host/workers/frames.h"
#include "host/workers/worker_place.h"

// The words of docs/workers.md, written and read. What comes from a worker is untrusted: a message
// with a member that is missing, of another type or out of bounds is an error.
namespace pyember::host {

struct WorkerReady {
  std::vector<std::string> left;  // by a copy: what it lacks of the worker that it was forked from
};

// How a worker that was asked for a copy goes on: it waits for descriptors; then there is a copy,
// or there is none.
struct WorkerForking {};
struct WorkerForked {
  pid_t pid = 0;
};
struct WorkerForkFailed {
  std::string error;
};

// How the worker says its cell ended; what it means is for the host, which knows what it asked for.
enum class DoneStatus { Completed = 0, Raised = 1, Stopped = 2 };

struct CellDone {
  embed::CellNumber cell = 0;
  DoneStatus status = DoneStatus::Completed;
  embed::CellOutcome outcome;  // all but status and elapsed
  bool plain = false;
  std::optional<std::int64_t> memory_bytes;  // not told after every cell
};

struct WorkerNames {
  std::uint64_t ticket = 0;
  std::vector<embed::NameInfo> names;
};

using WorkerMessage =
    std::variant<WorkerReady, CellDone, WorkerNames, WorkerForking, WorkerForked, WorkerForkFailed>;

Result<WorkerMessage> read_worker_message(Frame& frame);

// Headers of what is sent to a worker.
std::string cell_header(const embed::CellRequest& request);
std::string names_header(std::uint64_t ticket);
std::string checkpoint_header(const embed::CheckpointOrder& order);  // body: what it writes
std::string packages_header(const std::vector<std::string>& directories, const std::string& root);

// What the zygote is asked to make, or a worker that is to make a copy of itself; that one keeps
// its name and folder where they are empty here.
struct ForkOrder {
  std::string name;
  std::string working_directory;
  std::vector<std::string> sites;
  std::string root;
  std::string folder;
  WorkerLimits limits;
  std::string memory_group = {};  // folders of control groups to enter; empty: none
  std::string processes_group = {};
  bool in_room =
      false;  // behind a boundary, which counts processes and which the server looks into
  bool saved_tools = false;  // as in embed::SessionOptions
};
std::string fork_message(std::uint64_t id, const ForkOrder& order);
std::string copy_header(const ForkOrder& order);
std::string expect_message(std::uint64_t id);
std::string adopt_message(std::uint64_t id, pid_t pid);
std::string signal_message(pid_t pid, int number);
std::string preload_message(const std::vector<std::string>& modules,
                            const std::vector<std::string>& sites);

}  // namespace pyember::host

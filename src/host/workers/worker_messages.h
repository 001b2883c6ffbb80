#pragma once

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

struct WorkerReady {};

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

using WorkerMessage = std::variant<WorkerReady, CellDone, WorkerNames>;

Result<WorkerMessage> read_worker_message(Frame& frame);

// Headers of what is sent to a worker.
std::string cell_header(const embed::CellRequest& request);
std::string names_header(std::uint64_t ticket);
std::string packages_header(const std::vector<std::string>& directories, const std::string& root);

// What the zygote is asked to make.
struct ForkOrder {
  std::string name;
  std::string working_directory;
  std::vector<std::string> sites;
  std::string root;
  std::string folder;
  WorkerLimits limits;
  std::string memory_group = {};  // folders of control groups to enter; empty: none
  std::string processes_group = {};
};
std::string fork_message(std::uint64_t id, const ForkOrder& order);
std::string preload_message(const std::vector<std::string>& modules,
                            const std::vector<std::string>& sites);

}  // namespace pyember::host

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// What goes into a session and what comes out, as plain values: no Python header, no thread, no
// descriptor. The same structs serve every isolation; only worker kinds put them on a wire.
namespace pyember::embed {

// How a cell ended. User code that fails is a result, never an error of ours.
enum class Status {
  Completed,    // ran to its end
  Raised,       // an exception left the cell (sys.exit() and SyntaxError included)
  Interrupted,  // stopped because somebody asked; the session is intact
  TimedOut,     // stopped because its deadline passed; the session is intact
  Lost,         // stopped by force or crashed: the session's state is gone
};

const char* to_string(Status status) noexcept;

struct CellError {
  std::string type;       // "ValueError", "package.Custom"
  std::string message;    // str(exception), bounded
  std::string traceback;  // as CPython prints it, with the cell's own source lines
};

// One representation of something a cell showed: a figure, a table, a display(...) call.
struct Display {
  std::string mime;  // "image/png", "image/svg+xml", "text/html", "text/markdown", "text/plain"
  std::string data;  // bytes of an image, else UTF-8; bounded by the runtime that made it
};

// What a request asks of a session. Snapshot and Restore carry a state from one session to another
// by way of a file and run under the same deadline as code, because pickling runs user code.
enum class CellKind {
  Code,
  Snapshot,  // `code` is the path of the file to write; notices name what could not be saved. Of a
             // state that is to be kept two texts follow, each behind a zero byte (snapshot.py)
  Restore,   // `code` is the path of the file to read; notices name what could not be restored
  Ask,       // `code` is a question of the server's about the session, the result the answer: JSON
};

// Numbers the cells of one session from 1 upwards; shown to people as "cell 3".
using CellNumber = std::uint64_t;

// What a worker may use, in its whole life or during one cell; unset: as much as the server. Only
// workers can keep them.
struct UsageLimits {
  std::optional<std::uint64_t> memory_bytes;
  std::optional<std::uint64_t> cpu_seconds;
  std::optional<std::chrono::milliseconds> wall_time;  // in which cells run
  std::optional<std::uint64_t> processes;
  std::optional<std::uint64_t> file_size_bytes;
  std::optional<std::uint64_t> open_files;

  bool operator==(const UsageLimits&) const = default;
};

struct CellRequest {
  CellNumber number = 0;
  std::string code;                     // UTF-8
  std::chrono::milliseconds timeout{};  // > 0; counted from the moment the cell starts to run
  CellKind kind = CellKind::Code;
  std::unique_ptr<const UsageLimits> limits = {};  // of this cell; null: none
  std::atomic<std::uint8_t>* begun = nullptr;      // set to 1 before any of it runs; null: nothing
};

// A state that is written unasked, while nothing runs. Nobody is told of its end: the file appears
// when it is whole.
struct CheckpointOrder {
  std::string state;  // as a CellRequest of kind Snapshot has it: a path and two texts
  std::uint64_t maximum_bytes = 0;      // of the file; names that don't fit are left behind
  std::chrono::milliseconds timeout{};  // names whose turn did not come are left behind
};

struct CellOutcome {
  Status status = Status::Completed;
  std::optional<std::string> result;  // repr of the last expression; nullopt when it was None
  std::optional<CellError> error;
  std::vector<std::string> notices;  // what the caller should know about the session's state
  std::vector<Display> displays;     // in the order in which they were shown
  // Non-empty: no line of the cell was run, because it needs a worker process; the reason, for
  // people. Only from a session opened with SessionOptions::look_ahead, which runs no further cell.
  std::string needs_worker;
  std::string code;                    // of a cell that was not run, given back to be run elsewhere
  std::chrono::nanoseconds elapsed{};  // from start of the run to its end
};

// One name of a session's namespace, described without running user code.
struct NameInfo {
  std::string name;
  std::string type;
  std::string size;        // "3 items", "12 characters"; empty when there is none
  std::string short_repr;  // bounded; for user-defined types only "<Type object>"
};

}  // namespace pyember::embed

#pragma once

#include <Python.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "embed/execution.h"
#include "embed/runtime.h"

// One own-GIL sub-interpreter with the session runtime (python/mcp_runtime) loaded. Created and
// used on one thread, its own; never ended (docs/decisions/0001): the object may be forgotten with
// its thread, the interpreter stays.
namespace pyember::embed {

class Attached;

// What a cell's run() answered, before the host's view of why it was stopped is added.
struct RunResult {
  enum class Kind { Completed, Raised, Stopped, NeedsWorker, Broken };
  Kind kind = Kind::Broken;  // Broken: the runtime itself failed; the session can't be trusted
  std::optional<std::string> result;
  std::optional<CellError> error;
  std::vector<std::string> notices;
  std::vector<Display> displays;
};

class Interpreter {
 public:
  // Makes the interpreter and bootstraps the runtime in it. On return the thread is detached.
  static Result<std::unique_ptr<Interpreter>> create(const RuntimeOptions& options);

  // Each of these attaches, calls the runtime's function of that name, and detaches. They run
  // Python code, so they can take for ever: the stopper watches them.
  Result<void> open(const SessionOptions& options, std::uint64_t serial);
  RunResult run(const CellRequest& request);  // or snapshot, or restore, by its kind
  std::vector<NameInfo> names();
  bool checkpoint(const CheckpointOrder& order);  // false: nothing was written
  bool close();
  bool reset();

  // Asks every other thread of the interpreter to end (SystemExit) and waits for them up to
  // `deadline`; true when none is left.
  bool end_threads(std::chrono::milliseconds deadline);

  PyInterpreterState* state() const { return thread_state_->interp; }
  PyThreadState* thread_state() const { return thread_state_; }

 private:
  friend class Attached;
  // Owned references; they stay alive with the interpreter, which is never ended.
  struct Methods {
    PyObject* open = nullptr;
    PyObject* run = nullptr;
    PyObject* snapshot = nullptr;
    PyObject* ask = nullptr;
    PyObject* restore = nullptr;
    PyObject* names = nullptr;
    PyObject* checkpoint = nullptr;
    PyObject* close = nullptr;
    PyObject* reset = nullptr;
  };

  explicit Interpreter(PyThreadState* thread_state) : thread_state_(thread_state) {}
  Result<void> bootstrap(const RuntimeOptions& options);
  PyObject* method_for(CellKind kind) const;
  bool call_for_truth(PyObject* method);

  PyThreadState* thread_state_;
  Methods methods_;
};

}  // namespace pyember::embed

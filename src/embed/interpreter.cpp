#include "embed/interpreter.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include "embed/attached.h"
#include "embed/confinement.h"
#include "embed/locks.h"
#include "embed/py_text.h"
#include "embed/session_slot.h"

namespace pyember::embed {

namespace {

// Own obmalloc goes with an own GIL; daemon threads are fine because interpreters are never ended.
constexpr PyInterpreterConfig kInterpreterConfig = {
    .use_main_obmalloc = 0,
    .allow_fork = 0,
    .allow_exec = 0,
    .allow_threads = 1,
    .allow_daemon_threads = 1,
    .check_multi_interp_extensions = 1,
    .gil = PyInterpreterConfig_OWN_GIL,
};

Reference string_list(const Attached& attached, const std::vector<std::string>& values) {
  Reference list(PyList_New(0));
  for (const std::string& value : values) {
    Reference item = to_str(attached, value);
    if (list && item) PyList_Append(list.get(), item.get());
  }
  return list;
}

void set_text(const Attached& attached, PyObject* dict, const char* key, const std::string& value) {
  Reference text = to_str(attached, value);
  if (text) PyDict_SetItemString(dict, key, text.get());
}

void set_flag(PyObject* dict, const char* key, bool value) {
  PyDict_SetItemString(dict, key, value ? Py_True : Py_False);
}

Reference bootstrap_config(const Attached& attached, const RuntimeOptions& options) {
  Reference config(PyDict_New());
  set_text(attached, config.get(), "runtime_directory", options.runtime_directory);
  set_text(attached, config.get(), "environment_root", options.environment_root);
  set_text(attached, config.get(), "python_executable", options.python_executable);
  set_text(attached, config.get(), "bundled_directory", options.bundled_directory);
  Reference sites = string_list(attached, options.site_directories);
  PyDict_SetItemString(config.get(), "site_directories", sites.get());
  Reference switches(PyDict_New());
  set_flag(switches.get(), "no_loader_hook", options.test.no_loader_hook);
  PyDict_SetItemString(config.get(), "test_switches", switches.get());
  return config;
}

// An entry of the runtime's error tuple may be missing when user code broke it; then it is empty.
std::string item_text(const Attached& attached, PyObject* tuple, Py_ssize_t index) {
  if (!PyTuple_Check(tuple) || index >= PyTuple_GET_SIZE(tuple)) return {};
  return text_of(attached, PyTuple_GET_ITEM(tuple, index));
}

std::vector<std::string> texts(const Attached& attached, PyObject* tuple) {
  std::vector<std::string> values;
  if (!PyTuple_Check(tuple)) return values;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
    values.push_back(item_text(attached, tuple, i));
  }
  return values;
}

RunResult broken(std::string why) {
  RunResult result;
  result.notices.push_back(std::move(why));
  return result;
}

std::vector<Display> displays_in(const Attached& attached, PyObject* tuple) {
  std::vector<Display> displays;
  if (!PyTuple_Check(tuple)) return displays;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
    PyObject* pair = PyTuple_GET_ITEM(tuple, i);
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) continue;
    PyObject* data = PyTuple_GET_ITEM(pair, 1);
    displays.push_back({item_text(attached, pair, 0),
                        PyBytes_Check(data)
                            ? std::string(PyBytes_AS_STRING(data),
                                          static_cast<std::size_t>(PyBytes_GET_SIZE(data)))
                            : text_of(attached, data)});
  }
  return displays;
}

// (status, result, error, notices) and, for a cell that showed something, ((mime, data), …).
RunResult unpack(const Attached& attached, PyObject* answer) {
  const Py_ssize_t parts = PyTuple_Check(answer) ? PyTuple_GET_SIZE(answer) : 0;
  if (parts != 4 && parts != 5) {
    return broken("the session's runtime answered something unknown");
  }
  RunResult result;
  const long status = PyLong_AsLong(PyTuple_GET_ITEM(answer, 0));
  if (status < 0 || status > 3) {
    PyErr_Clear();
    return broken("the session's runtime answered an unknown status");
  }
  result.kind = status == 0   ? RunResult::Kind::Completed
                : status == 1 ? RunResult::Kind::Raised
                : status == 2 ? RunResult::Kind::Stopped
                              : RunResult::Kind::NeedsWorker;
  PyObject* text = PyTuple_GET_ITEM(answer, 1);
  if (text != Py_None) result.result = text_of(attached, text);
  PyObject* error = PyTuple_GET_ITEM(answer, 2);
  if (error != Py_None) {
    result.error = CellError{item_text(attached, error, 0), item_text(attached, error, 1),
                             item_text(attached, error, 2)};
  }
  PyObject* notices = PyTuple_GET_ITEM(answer, 3);
  if (notices != Py_None) result.notices = texts(attached, notices);
  if (parts == 5) result.displays = displays_in(attached, PyTuple_GET_ITEM(answer, 4));
  return result;
}

}  // namespace

Result<std::unique_ptr<Interpreter>> Interpreter::create(const RuntimeOptions& options) {
  PyThreadState* thread_state = nullptr;
  // No thread state is attached here: the configuration is taken from the main interpreter, and
  // its GIL is not needed.
  const PyStatus status = Py_NewInterpreterFromConfig(&thread_state, &kInterpreterConfig);
  if (PyStatus_Exception(status)) {
    return Error{ErrorCode::Internal,
                 fmt::format("a Python interpreter could not be made: {}. Close sessions that are "
                             "no longer needed, or restart the server.",
                             status.err_msg ? status.err_msg : "unknown reason")};
  }
  PyEval_SaveThread();
  std::unique_ptr<Interpreter> interpreter(new Interpreter(thread_state));
  if (auto loaded = interpreter->bootstrap(options); !loaded) return loaded.error();
  return interpreter;
}

Result<void> Interpreter::bootstrap(const RuntimeOptions& options) {
  const Attached attached(thread_state_);
  const auto failed = [&attached](const char* what) {
    return Error{ErrorCode::Internal,
                 fmt::format("the session runtime could not {}: {}. The installation is incomplete "
                             "or damaged; install pyember again.",
                             what, describe_and_clear_error(attached))};
  };
  PyObject* path = PySys_GetObject("path");  // borrowed
  Reference directory = to_str(attached, options.runtime_directory);
  if (!path || !directory || PyList_Insert(path, 0, directory.get()) != 0)
    return failed("be found");
  Reference native(PyImport_ImportModule("_pyember"));
  if (!native) return failed("load its native part");
  Reference module(PyImport_ImportModule("mcp_runtime.inprocess"));
  if (!module) return failed("be imported");
  Reference config = bootstrap_config(attached, options);
  Reference runtime(
      PyObject_CallMethod(module.get(), "bootstrap", "OO", native.get(), config.get()));
  if (!runtime) return failed("start");
  for (auto [name, slot] : {std::pair{"open", &methods_.open},
                            {"run", &methods_.run},
                            {"snapshot", &methods_.snapshot},
                            {"ask", &methods_.ask},
                            {"restore", &methods_.restore},
                            {"names", &methods_.names},
                            {"checkpoint", &methods_.checkpoint},
                            {"close", &methods_.close},
                            {"reset", &methods_.reset}}) {
    *slot = PyObject_GetAttrString(runtime.get(), name);
    if (!*slot) return failed("be used");
  }
  return {};
}

Result<void> Interpreter::open(const SessionOptions& options, std::uint64_t serial) {
  const Attached attached(thread_state_);
  Reference config(PyDict_New());
  set_text(attached, config.get(), "name", options.name);
  set_text(attached, config.get(), "working_directory", options.working_directory);
  if (!options.folder.empty()) set_text(attached, config.get(), "folder", options.folder);
  if (options.confinement.any()) {
    set_text(attached, config.get(), "confined", describe_confinement(options));
  }
  set_flag(config.get(), "look_ahead", options.look_ahead);
  set_flag(config.get(), "saved_tools", options.saved_tools);
  Reference number(PyLong_FromUnsignedLongLong(serial));
  PyDict_SetItemString(config.get(), "serial", number.get());
  Reference answer(PyObject_CallOneArg(methods_.open, config.get()));
  if (answer) return {};
  return Error{ErrorCode::Internal, fmt::format("the session could not be opened: {}",
                                                describe_and_clear_error(attached))};
}

PyObject* Interpreter::method_for(CellKind kind) const {
  switch (kind) {
    case CellKind::Snapshot:
      return methods_.snapshot;
    case CellKind::Restore:
      return methods_.restore;
    case CellKind::Ask:
      return methods_.ask;
    case CellKind::Code:
      break;
  }
  return methods_.run;
}

RunResult Interpreter::run(const CellRequest& request) {
  const Attached attached(thread_state_);
  Reference code = to_str(attached, request.code);
  Reference number(PyLong_FromUnsignedLongLong(request.number));
  if (!code || !number) return broken(describe_and_clear_error(attached));
  PyObject* arguments[] = {code.get(), number.get()};
  Reference answer(PyObject_Vectorcall(method_for(request.kind), arguments, 2, nullptr));
  if (!answer) return broken(describe_and_clear_error(attached));
  return unpack(attached, answer.get());
}

std::vector<NameInfo> Interpreter::names() {
  const Attached attached(thread_state_);
  std::vector<NameInfo> names;
  Reference answer(PyObject_CallNoArgs(methods_.names));
  if (!answer || !PyList_Check(answer.get())) {
    PyErr_Clear();
    return names;
  }
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(answer.get()); i++) {
    PyObject* entry = PyList_GET_ITEM(answer.get(), i);
    names.push_back({item_text(attached, entry, 0), item_text(attached, entry, 1),
                     item_text(attached, entry, 2), item_text(attached, entry, 3)});
  }
  return names;
}

bool Interpreter::checkpoint(const CheckpointOrder& order) {
  const Attached attached(thread_state_);
  Reference state = to_str(attached, order.state);
  Reference bytes(PyLong_FromUnsignedLongLong(order.maximum_bytes));
  Reference answer(state && bytes ? PyObject_CallFunctionObjArgs(methods_.checkpoint, state.get(),
                                                                 bytes.get(), nullptr)
                                  : nullptr);
  if (!answer) PyErr_Clear();
  return answer.get() == Py_True;
}

bool Interpreter::call_for_truth(PyObject* method) {
  const Attached attached(thread_state_);
  Reference answer(PyObject_CallNoArgs(method));
  if (!answer) {
    PyErr_Clear();
    return false;
  }
  return answer.get() == Py_True;
}

bool Interpreter::close() { return call_for_truth(methods_.close); }
bool Interpreter::reset() { return call_for_truth(methods_.reset); }

namespace {

constexpr std::chrono::milliseconds kAskAgain{20};

// Raises SystemExit at every line of every thread but the session's own, while it closes.
int end_thread_trace(PyObject*, PyFrameObject*, int what, PyObject*) {
  if (on_session_thread()) return 0;
  if (what != PyTrace_LINE && what != PyTrace_CALL) return 0;
  PyErr_SetNone(PyExc_SystemExit);
  return -1;
}

// With the GIL held, so no thread state comes or goes while we look. Who was asked needs time for
// its `finally` blocks: asked again inside them, it could leave the import lock behind.
std::size_t count_other_threads(const Attached&, PyThreadState* own, bool ask) {
  std::vector<unsigned long> others;
  for (PyThreadState* state = PyInterpreterState_ThreadHead(own->interp); state;
       state = PyThreadState_Next(state)) {
    if (state != own && state->thread_id != 0) others.push_back(state->thread_id);
  }
  if (ask) {
    for (unsigned long id : others) PyThreadState_SetAsyncExc(id, PyExc_SystemExit);
  }
  return others.size();
}

void wake_other_threads(SessionSlot& slot) {
  const ServerScope server;
  for (SlotThread& thread : slot.threads) {
    if (&thread == &slot.threads[0] || !thread.alive) continue;
    if (const pid_t tid = thread.tid) syscall(SYS_tgkill, getpid(), tid, wake_signal());
  }
  wake_waiters(slot);
}

}  // namespace

bool Interpreter::end_threads(std::chrono::milliseconds deadline) {
  SessionSlot& slot = *current_slot;
  const auto until = std::chrono::steady_clock::now() + deadline;
  const auto insist_at = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  bool insisting = false;
  bool ended = false;
  auto ask_at = std::chrono::steady_clock::now();
  slot.ending = true;
  for (;;) {
    {
      const Attached attached(thread_state_);
      const bool ask = std::chrono::steady_clock::now() >= ask_at;
      if (ask) ask_at = std::chrono::steady_clock::now() + kAskAgain;
      // A thread that C code started has no thread state, but must not outlive the session either.
      const bool alone = slot.thread_count.load() == 1;
      if (count_other_threads(attached, thread_state_, ask) == 0 && alone) {
        ended = true;
      } else if (!insisting && std::chrono::steady_clock::now() >= insist_at) {
        PyEval_SetTraceAllThreads(end_thread_trace, nullptr);
        insisting = true;
      }
      if (insisting && ended) PyEval_SetTraceAllThreads(nullptr, nullptr);
    }
    if (ended || std::chrono::steady_clock::now() >= until) break;
    wake_other_threads(slot);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  slot.ending = false;
  return ended;
}

}  // namespace pyember::embed

#include <pybind11/embed.h>
#include <unistd.h>

#include "embed/children.h"
#include "embed/locks.h"
#include "embed/session_slot.h"
#include "embed/session_thread.h"

// `_pyember`: what the session runtime (python/mcp_runtime/inprocess) asks of the server. One
// module object in each interpreter; every function finds its session by the calling thread.

namespace py = pybind11;

namespace pyember::embed {

namespace {

SessionSlot& slot_of_this_thread() {
  if (!current_slot) throw std::runtime_error("this thread belongs to no session");
  return *current_slot;
}

// The two that are on the path of every cell, without pybind11's argument handling (0.7 us).
PyObject* stoppable(PyObject*, PyObject* on) {
  if (SessionThread* thread = SessionThread::current()) thread->stoppable(on == Py_True);
  Py_RETURN_NONE;
}

PyObject* stop_requested(PyObject*, PyObject*) {
  const SessionThread* thread = SessionThread::current();
  return PyBool_FromLong(thread && thread->stop_requested());
}

PyObject* cell_waits(PyObject*, PyObject*) {
  const SessionThread* thread = SessionThread::current();
  return PyBool_FromLong(thread && thread->cell_waits());
}

PyMethodDef hot_functions[] = {
    {"stoppable", stoppable, METH_O,
     "stoppable(on): user code runs from here on (True) or no more (False). Only then may the\n"
     "session's own thread be stopped with KeyboardInterrupt. Ignored on other threads."},
    {"stop_requested", stop_requested, METH_NOARGS,
     "stop_requested() -> bool: the current cell's time is over, or it was interrupted."},
    {"cell_waits", cell_waits, METH_NOARGS,
     "cell_waits() -> bool: a checkpoint is being written, and somebody waits for the session."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

PYBIND11_EMBEDDED_MODULE(_pyember, module, py::multiple_interpreters::per_interpreter_gil()) {
  module.doc() = "What the server offers to the session runtime.";
  if (PyModule_AddFunctions(module.ptr(), hot_functions) != 0) throw py::error_already_set();
  if (add_lock_types(module.ptr()) != 0) throw py::error_already_set();
  module.def("note_child", [](pid_t pid) { note_child(slot_of_this_thread(), pid); });
  module.def("forget_child", [](pid_t pid) { forget_child(slot_of_this_thread(), pid); });
  module.def("calls", [] {
    SessionThread* thread = SessionThread::current();
    if (thread == nullptr) throw std::runtime_error("this thread belongs to no session");
    PyThreadState* const state = PyEval_SaveThread();
    const Result<SessionThread::Calls> opened = thread->open_calls();
    PyEval_RestoreThread(state);
    if (!opened) throw std::runtime_error(opened.error().message);
    return py::make_tuple(opened.value().calls, opened.value().answers);
  });
  module.def("calls_lost", [](int calls, int answers) {
    const ServerScope server;
    for (const int descriptor : {calls, answers}) {
      if (descriptor >= 0) close(descriptor);
    }
  });
  module.def("children", [] {
    py::list pids;
    for (pid_t pid : children(slot_of_this_thread())) pids.append(pid);
    return pids;
  });
}

}  // namespace pyember::embed

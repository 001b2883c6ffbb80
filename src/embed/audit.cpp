#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "embed/audit.h"

#include <errno.h>
#include <unistd.h>

#include <array>
#include <string_view>

#include "embed/interpose.h"
#include "embed/interpose_open.h"
#include "embed/session_slot.h"

// The events and their arguments: "Audit events table" in CPython's documentation.
namespace pyember::embed {
namespace {

// Three parts: what was refused, why, what to do next.
struct Refusal {
  std::string_view event;
  PyObject** type;
  const char* message;
};

constexpr char kSignalsUs[] =
    "Refused to send a signal to this process or its group: the session shares the process with "
    "the server and with other sessions. To end the cell raise SystemExit; to end a child process "
    "signal its own pid (subprocess.Popen.kill).";
constexpr char kMemory[] =
    "Refused to open %s: it is the memory or a descriptor of the server, which this session shares "
    "a process with. Use the session's own descriptors (/proc/thread-self/fd), or start a child "
    "process with subprocess and look at that.";
constexpr char kTestModules[] =
    "Refused to import one of CPython's test modules: it can crash the process or make "
    "interpreters outside the session's fences. Import it in a child process started with "
    "subprocess.";

constexpr Refusal kAlways[] = {
    {"os.fork", &PyExc_RuntimeError,
     "Refused to fork: the copy would be a second server that shares this one's connection. Start "
     "a child process with subprocess instead."},
    {"os.forkpty", &PyExc_RuntimeError,
     "Refused to fork: the copy would be a second server that shares this one's connection. Start "
     "a child process with subprocess and a pair from os.openpty() instead."},
    {"os.exec", &PyExc_RuntimeError,
     "Refused to replace the process by another program: the server and other sessions live in it. "
     "Start the program with subprocess instead."},
    {"os.putenv", &PyExc_PermissionError,
     "Refused to change the process's environment: other sessions share it. Set os.environ[name], "
     "which is this session's own and is what its children get."},
    {"os.unsetenv", &PyExc_PermissionError,
     "Refused to change the process's environment: other sessions share it. Delete "
     "os.environ[name], which is this session's own and is what its children get."},
    {"resource.setrlimit", &PyExc_PermissionError,
     "Refused to change a limit of the process: it would hold for the server and other sessions. "
     "Limit a child process instead, with resource.prlimit(pid, ...)."},
};

constexpr char kRuntimeFunctions[] =
    "Refused to look up %s: it ends or restarts the Python runtime that other sessions run in. Use "
    "sys.exit() to end a cell, or load the library in a child process started with subprocess.";

// What libpython exports to end or restart the runtime, or to run outside the session's fences.
constexpr std::string_view kRuntimePrefixes[] = {
    "Py_Exit",
    "Py_Finalize",
    "Py_Initialize",
    "Py_EndInterpreter",
    "Py_NewInterp",
    "Py_Main",
    "Py_BytesMain",
    "Py_RunMain",
    "Py_FatalError",
    "_Py_FatalError",
    "PyInterpreterState_",
    "PyThreadState_Swap",
    "PyGILState_",
    "PyEval_Release",
    "PyEval_SaveThread",
    "_PyInterpreterState_",
    "PyThreadState_Delete",
    "PyThreadState_Clear",
};

int raise(PyObject* type, const char* message) {
  PyErr_SetString(type, message);
  return -1;
}

// The number in args[index], or `otherwise`.
long number_at(PyObject* args, Py_ssize_t index, long otherwise) {
  if (!PyTuple_Check(args) || PyTuple_GET_SIZE(args) <= index) return otherwise;
  PyObject* item = PyTuple_GET_ITEM(args, index);
  if (!PyLong_Check(item)) return otherwise;
  const long value = PyLong_AsLong(item);
  if (value != -1 || !PyErr_Occurred()) return value;
  PyErr_Clear();
  return otherwise;
}

const char* text_at_front(PyObject* args) {
  if (!PyTuple_Check(args) || PyTuple_GET_SIZE(args) < 1) return nullptr;
  PyObject* item = PyTuple_GET_ITEM(args, 0);
  if (PyBytes_Check(item)) return PyBytes_AS_STRING(item);
  if (!PyUnicode_Check(item)) return nullptr;
  const char* text = PyUnicode_AsUTF8(item);
  if (!text) PyErr_Clear();
  return text;
}

// ctypes.dlsym(library, name): ctypes.pythonapi finds everything libpython exports.
int check_symbol(PyObject* args) {
  if (!PyTuple_Check(args) || PyTuple_GET_SIZE(args) < 2) return 0;
  PyObject* item = PyTuple_GET_ITEM(args, 1);
  const char* text = PyUnicode_Check(item) ? PyUnicode_AsUTF8(item) : nullptr;
  if (!text) {
    PyErr_Clear();
    return 0;
  }
  const std::string_view name(text);
  for (const std::string_view prefix : kRuntimePrefixes) {
    if (name.substr(0, prefix.size()) != prefix) continue;
    PyErr_Format(PyExc_PermissionError, kRuntimeFunctions, text);
    return -1;
  }
  return 0;
}

int check_open(PyObject* args) {
  const char* path = text_at_front(args);
  if (!path || path[0] != '/') return 0;
  std::array<char, PATH_MAX> room;
  if (session_path(path, room)) return 0;
  PyErr_Format(PyExc_PermissionError, kMemory, path);
  return -1;
}

// As in interpose_refusals.cpp, for the pids that people really write.
int check_kill(PyObject* args, long own_group) {
  const long target = number_at(args, 0, -2);
  const bool asks_only = number_at(args, 1, 1) == 0;
  const bool ours = target == getpid() || target == 0 || target == -1 || target == own_group;
  return ours && !asks_only ? raise(PyExc_PermissionError, kSignalsUs) : 0;
}

int check_prlimit(PyObject* args) {
  const long pid = number_at(args, 0, 0);
  // (pid, resource, None) only reads.
  const bool changes =
      PyTuple_Check(args) && PyTuple_GET_SIZE(args) > 2 && PyTuple_GET_ITEM(args, 2) != Py_None;
  if (!changes || (pid != 0 && pid != getpid())) return 0;
  return raise(PyExc_PermissionError, kAlways[5].message);
}

// CPython's own test modules make legacy interpreters (run_in_subinterp) and crash on purpose. The
// public way, _interpreters, is closed on the Python side; the event cpython.PyInterpreterState_New
// does not come when no thread state is current, which is how it is done there
// (Python/crossinterp.c, _PyXI_NewInterpreter).
int check_import(PyObject* args) {
  const char* name = text_at_front(args);
  if (!name) return 0;
  const std::string_view module(name);
  if (module != "_testcapi" && module != "_testinternalcapi") return 0;
  return raise(PyExc_ImportError, kTestModules);
}

int check(std::string_view event, PyObject* args) {
  if (event == "open") return check_open(args);
  if (event == "ctypes.dlsym") return check_symbol(args);
  if (event == "os.kill") return check_kill(args, -getpgrp());
  if (event == "os.killpg") return check_kill(args, getpgrp());
  if (event == "resource.prlimit") return check_prlimit(args);
  if (event == "import") return check_import(args);
  for (const Refusal& each : kAlways) {
    if (event == each.event) return raise(*each.type, each.message);
  }
  return 0;
}

// First characters only: most events ("compile", "exec", "marshal.loads", "socket.…") end here.
bool is_of_interest(const char* event) {
  switch (event[0]) {
    case 'c':
      return event[1] == 't';
    case 'o':
      return event[1] == 's' || event[1] == 'p';
    case 'i':
      return event[1] == 'm';
    case 'r':
      return event[1] == 'e';
    default:
      return false;
  }
}

int hook(const char* event, PyObject* args, void*) {
  if (!current_slot || !is_of_interest(event)) return 0;
  if (!interpose::in_server_process()) return 0;
  return check(event, args);
}

}  // namespace

void install_audit_hook() { PySys_AddAuditHook(hook, nullptr); }

}  // namespace pyember::embed

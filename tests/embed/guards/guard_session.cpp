#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "guard_session.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mutex>

#include "base/check.h"
#include "embed/audit.h"
#include "embed/children.h"
#include "embed/locks.h"
#include "embed/memory_account.h"

namespace pyember::test {
namespace {

thread_local std::atomic<bool>* ready_flag = nullptr;

PyObject* mark_ready(PyObject*, PyObject*) {
  if (ready_flag) ready_flag->store(true);
  Py_RETURN_NONE;
}

PyMethodDef ready_method = {"ready", mark_ready, METH_NOARGS, nullptr};

void start_python_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction wake {};
    wake.sa_handler = [](int) {};
    CHECK(sigaction(embed::wake_signal(), &wake, nullptr) == 0);
    embed::install_memory_account();
    embed::install_audit_hook();
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    CHECK(!PyStatus_Exception(Py_InitializeFromConfig(&config)));
    PyEval_SaveThread();
  });
}

void make_interpreter() {
  PyInterpreterConfig config{};
  config.allow_threads = 1;
  config.allow_daemon_threads = 1;
  config.check_multi_interp_extensions = 1;
  config.gil = PyInterpreterConfig_OWN_GIL;
  PyEval_RestoreThread(PyThreadState_New(PyInterpreterState_Main()));
  PyThreadState* own = nullptr;
  CHECK(!PyStatus_Exception(Py_NewInterpreterFromConfig(&own, &config)));
}

std::string text_of(PyObject* object) {
  PyObject* text = object ? PyObject_Str(object) : nullptr;
  std::string copy = text ? PyUnicode_AsUTF8(text) : "?";
  Py_XDECREF(text);
  PyErr_Clear();
  return copy;
}

std::string run_attached(const std::string& code, std::uint64_t serial) {
  PyObject* names = PyDict_New();
  PyDict_SetItemString(names, "serial", PyLong_FromUnsignedLongLong(serial));
  PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins());
  PyObject* ready = PyCFunction_New(&ready_method, nullptr);
  PyDict_SetItemString(names, "ready", ready);
  PyObject* value = PyRun_String(code.c_str(), Py_file_input, names, names);
  if (value) return text_of(PyDict_GetItemString(names, "result"));
  PyObject* error = PyErr_GetRaisedException();
  std::string text = std::string(Py_TYPE(error)->tp_name) + ": " + text_of(error);
  Py_DECREF(error);
  return text;
}

void own_descriptors() {
  CHECK(syscall(SYS_unshare, CLONE_FS | CLONE_FILES) == 0);
  const int null = open("/dev/null", O_RDWR);
  for (int fd : {0, 1, 2}) CHECK(dup2(null, fd) == fd);
  CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
}

template <typename Condition>
bool eventually(Condition condition, std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

}  // namespace

GuardSession::GuardSession(std::string code, std::int64_t memory_budget) : state_(new State) {
  start_python_once();
  static std::atomic<std::uint64_t> serial{static_cast<std::uint64_t>(getpid()) * 1000};
  state_->slot.session_serial = ++serial;
  state_->slot.memory_budget = memory_budget;
  state_->code = std::move(code);
  std::thread(run, state_).detach();
}

GuardSession::~GuardSession() {
  waking_ = false;
  if (waker_.joinable()) waker_.join();
  embed::end_children(state_->slot, 5s);
}

void GuardSession::run(State* state) {
  own_descriptors();
  CHECK(embed::enter_slot(state->slot) != nullptr);
  ready_flag = &state->ready;
  make_interpreter();
  state->text = run_attached(state->code, state->slot.session_serial);
  PyEval_SaveThread();
  state->done = true;
  for (;;) pause();
}

std::optional<std::string> GuardSession::wait(std::chrono::milliseconds limit) {
  if (!eventually([this] { return state_->done.load(); }, limit)) return std::nullopt;
  return state_->text;
}

bool GuardSession::wait_until_ready() {
  return eventually([this] { return state_->ready || state_->done; }, kLong) && state_->ready;
}

void GuardSession::stop(embed::StopLevel level) {
  state_->slot.stop = level;
  wake();
}

void GuardSession::condemn() {
  state_->slot.condemned = true;
  wake();
}

void GuardSession::wake() {
  if (waking_.exchange(true)) return;
  waker_ = std::thread([this] {
    while (waking_ && !state_->done) {
      for (embed::SlotThread& each : state_->slot.threads) {
        if (each.alive) syscall(SYS_tgkill, getpid(), each.tid.load(), embed::wake_signal());
      }
      embed::wake_waiters(state_->slot);
      std::this_thread::sleep_for(3ms);
    }
  });
}

bool GuardSession::wait_until_parked() {
  return eventually([this] { return state_->slot.threads[0].parked.load(); }, kLong);
}

std::string run_code(const std::string& code, std::int64_t memory_budget) {
  GuardSession session(code, memory_budget);
  return session.wait().value_or("(did not end)");
}

}  // namespace pyember::test

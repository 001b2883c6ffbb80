#include "embed/runtime.h"

#include <Python.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <deque>
#include <mutex>
#include <random>
#include <thread>

#include "base/thread_name.h"
#include "embed/attached.h"
#include "embed/audit.h"
#include "embed/children.h"
#include "embed/in_process_session.h"
#include "embed/interpreter_pool.h"
#include "embed/memory_account.h"
#include "embed/py_text.h"
#include "embed/session_thread.h"
#include "embed/signals.h"
#include "embed/stopper.h"

// CPython's own thread. It initialises the main interpreter, prepares it so that sub-interpreters
// are safe, releases its GIL for good and from then on makes interpreters, does chores and proves
// twice a second that the runtime still answers.

namespace pyember::embed {

namespace {

constexpr std::chrono::milliseconds kHeartbeatEvery{500};

// Imported first in sub-interpreters, _datetime takes the process down when one of them ends: its
// types are static (CPython 3.12, 3.13; tests/embed/mitigation_test.cpp). Imported in main first,
// it does not.
constexpr const char* kFirstImports[] = {"_datetime"};

// Seen to do the same together with _datetime, not without it. They cost tens of milliseconds, so
// they wait until the first session can run.
constexpr const char* kLaterImports[] = {"_zoneinfo", "_sqlite3", "_decimal"};

std::atomic<Stopper*> stopper_of_this_process{nullptr};

void wake_stopper() noexcept {
  if (Stopper* stopper = stopper_of_this_process.load()) stopper->wake();
}

// Serials mark the children of sessions (children.h), and several servers run on one machine: each
// begins its own at a random place, so that none ends what belongs to another.
std::uint64_t first_serial() {
  return static_cast<std::uint64_t>(std::random_device{}() & 0x7fffffff) << 32;
}

std::int64_t half_of_free_memory() {
  std::int64_t kilobytes = 0;
  if (FILE* file = std::fopen("/proc/meminfo", "re")) {
    char line[128];
    while (std::fgets(line, sizeof line, file)) {
      long long value = 0;
      if (std::sscanf(line, "MemAvailable: %lld kB", &value) == 1) kilobytes = value;
    }
    std::fclose(file);
  }
  return kilobytes * 1024 / 2;  // 0 where the file is missing: no budget
}

class RuntimeImplementation final : public Runtime {
 public:
  explicit RuntimeImplementation(RuntimeOptions options)
      : options_(std::move(options)),
        pool_(options_.spare_interpreters, [this](auto chore) { run_later(std::move(chore)); }) {
    if (options_.memory_budget_bytes == 0) options_.memory_budget_bytes = half_of_free_memory();
    // C code's stdout is one buffer for the whole process: without it every byte goes to descriptor
    // 1 of the thread that wrote it, which is its session's.
    std::setvbuf(stdout, nullptr, _IONBF, 0);
    beat();
    set_parked_hook(wake_stopper);
    install_signal_handlers();
    stopper_of_this_process = &stopper_;
    std::thread([this] {
      name_thread("pyember-runtime");
      run();
    }).detach();
  }

  std::unique_ptr<Session> open_session(SessionOptions options,
                                        SessionListener& listener) override {
    return std::make_unique<InProcessSession>(pool_, std::move(options), listener, ++serial_);
  }

  RuntimeHealth health() const override {
    const auto counts = pool_.counts();
    RuntimeHealth health;
    health.started = started_;
    health.start_error = pool_.failure();
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    health.heartbeat_age = std::chrono::duration_cast<std::chrono::milliseconds>(
        now - std::chrono::steady_clock::duration(heartbeat_.load()));
    health.heartbeat_age = std::max(health.heartbeat_age, stopper_.overdue());
    health.sessions_live = counts.serving;
    health.interpreters_spare = counts.spare;
    health.interpreters_retired = counts.retired;
    health.memory_retired_bytes = counts.retired_bytes;
    return health;
  }

  void end_children(std::chrono::milliseconds deadline) override {
    const auto until = std::chrono::steady_clock::now() + deadline;
    for (SessionThread* thread : threads()) {
      const auto left = until - std::chrono::steady_clock::now();
      embed::end_children(thread->slot(),
                          std::max(std::chrono::milliseconds(1),
                                   std::chrono::duration_cast<std::chrono::milliseconds>(left)));
    }
  }

 private:
  void beat() { heartbeat_ = std::chrono::steady_clock::now().time_since_epoch().count(); }

  std::vector<SessionThread*> threads() const {
    const std::lock_guard lock(mutex_);
    return threads_;
  }

  void run_later(InterpreterPool::Chore chore) {
    {
      const std::lock_guard lock(mutex_);
      if (chore) chores_.push_back(std::move(chore));
      called_ = true;
    }
    wanted_.notify_one();
  }

  void run() {
    is_server_thread = true;
    if (auto initialised = initialise(); !initialised) {
      pool_.runtime_failed(initialised.error().message);
      return;
    }
    started_ = true;
    for (bool all_imported = false;;) {
      while (pool_.take_order()) start_session_thread();
      if (!all_imported && pool_.has_made_one()) {
        import_the_rest();
        all_imported = true;
      }
      do_a_chore();
      prove_alive();
      const std::chrono::milliseconds pause = pool_.pause();
      std::unique_lock lock(mutex_);
      wanted_.wait_for(lock, std::min(kHeartbeatEvery, pause),
                       [this] { return called_ || !chores_.empty(); });
      called_ = false;
    }
  }

  void start_session_thread() {
    SessionThread& thread = SessionThread::start(options_, pool_, stopper_);
    const std::lock_guard lock(mutex_);
    threads_.push_back(&thread);
  }

  // One a turn: a chore may take a second, and the heart must beat in between.
  void do_a_chore() {
    InterpreterPool::Chore chore;
    {
      const std::lock_guard lock(mutex_);
      if (chores_.empty()) return;
      chore = std::move(chores_.front());
      chores_.pop_front();
    }
    chore();
  }

  // Takes CPython's process-wide locks once: a thread parked inside one of them would hang us here,
  // the beat would stop, and the watchdog would notice.
  void prove_alive() {
    if (!options_.test.hold_main_gil) {
      const Attached attached(main_state_);
      PyThreadState* probe = PyThreadState_New(main_state_->interp);
      PyThreadState_Clear(probe);
      PyThreadState_Delete(probe);
      const Reference interned(PyUnicode_InternFromString("pyember.heartbeat"));
    }
    beat();
  }

  Result<void> initialise();
  PyStatus configure(PyConfig& config) const;
  void import_in_main(const char* name);
  void import_the_rest();

  RuntimeOptions options_;
  Stopper stopper_;
  InterpreterPool pool_;
  std::uint64_t serial_ = first_serial();  // loop thread only
  std::atomic<bool> started_{false};
  std::atomic<std::int64_t> heartbeat_{0};
  PyThreadState* main_state_ = nullptr;

  mutable std::mutex mutex_;
  std::condition_variable wanted_;
  bool called_ = false;
  std::deque<InterpreterPool::Chore> chores_;
  std::vector<SessionThread*> threads_;
};

PyStatus RuntimeImplementation::configure(PyConfig& config) const {
  config.site_import = 0;  // the session runtime adds what a session may import
  config.install_signal_handlers = 0;
  config.write_bytecode = 1;
  if (options_.test.no_executable) return PyStatus_Ok();
  // Otherwise children that a session starts with sys.executable are whatever Python is first on
  // PATH, and the standard library is looked for beside this program.
  const PyStatus status =
      PyConfig_SetBytesString(&config, &config.executable, options_.python_executable.c_str());
  if (PyStatus_Exception(status)) return status;
  return PyConfig_SetBytesString(&config, &config.program_name, options_.python_executable.c_str());
}

Result<void> RuntimeImplementation::initialise() {
  const auto failed = [this](const PyStatus& status) {
    return Error{
        ErrorCode::Unavailable,
        fmt::format("Python could not be started from {}: {}. Check that this Python still works "
                    "(run it), or name another with PYEMBER_PYTHON and build again.",
                    options_.python_executable,
                    status.err_msg ? status.err_msg : "unknown reason")};
  };
  install_memory_account();
  install_audit_hook();
  PyPreConfig preconfig;
  PyPreConfig_InitIsolatedConfig(&preconfig);
  preconfig.utf8_mode = 1;  // the same text encoding whatever locale the client has
  if (const PyStatus status = Py_PreInitialize(&preconfig); PyStatus_Exception(status)) {
    return failed(status);
  }
  PyConfig config;
  PyConfig_InitIsolatedConfig(&config);
  PyStatus status = configure(config);
  if (!PyStatus_Exception(status)) status = Py_InitializeFromConfig(&config);
  PyConfig_Clear(&config);
  if (PyStatus_Exception(status)) return failed(status);
  for (const char* name : kFirstImports) import_in_main(name);
  main_state_ = PyThreadState_Get();
  // A main interpreter that holds its GIL blocks imports in sub-interpreters.
  if (!options_.test.hold_main_gil) PyEval_SaveThread();
  return {};
}

// Attached to main.
void RuntimeImplementation::import_in_main(const char* name) {
  if (options_.test.no_main_imports) return;
  const Reference module(PyImport_ImportModule(name));
  if (!module) PyErr_Clear();  // a Python built without it has nothing that could crash either
}

void RuntimeImplementation::import_the_rest() {
  if (options_.test.hold_main_gil) return;
  const Attached attached(main_state_);
  for (const char* name : kLaterImports) import_in_main(name);
}

}  // namespace

std::unique_ptr<Runtime> Runtime::start(RuntimeOptions options) {
  is_server_thread = true;  // the loop's: a crash there is the process's
  return std::make_unique<RuntimeImplementation>(std::move(options));
}

}  // namespace pyember::embed

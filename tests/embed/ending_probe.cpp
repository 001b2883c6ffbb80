// Makes interpreters that use the modules with static types and ends them, two at a time, in a
// runtime started with or without `no_main_imports`. Prints "survived" when the process lives.
// Run by mitigation_test.cpp, which looks at how it ended.
#include <Python.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <thread>

#include "embed/runtime.h"
#include "embed/session_slot.h"

namespace {

using namespace pyember;

constexpr int kRounds = 40;
constexpr char kCode[] =
    "import datetime, _zoneinfo, sqlite3, decimal\n"
    "moment = datetime.datetime.now(datetime.timezone.utc)\n"
    "rows = sqlite3.connect(':memory:').execute('select 1').fetchall()\n";

void use_and_end() {
  embed::is_server_thread = true;
  PyInterpreterConfig config = {.use_main_obmalloc = 0,
                                .allow_fork = 0,
                                .allow_exec = 0,
                                .allow_threads = 1,
                                .allow_daemon_threads = 0,
                                .check_multi_interp_extensions = 1,
                                .gil = PyInterpreterConfig_OWN_GIL};
  PyThreadState* state = nullptr;
  if (PyStatus_Exception(Py_NewInterpreterFromConfig(&state, &config))) _exit(3);
  if (PyRun_SimpleString(kCode) != 0) _exit(4);
  Py_EndInterpreter(state);
}

}  // namespace

int main(int argc, char** argv) {
  embed::is_server_thread = true;
  embed::RuntimeOptions options;
  options.python_executable = PYEMBER_TEST_PYTHON;
  options.runtime_directory = PYEMBER_TEST_RUNTIME;
  options.spare_interpreters = 0;
  options.test.no_main_imports = argc > 1 && std::strcmp(argv[1], "no_main_imports") == 0;
  const auto runtime = embed::Runtime::start(std::move(options));
  while (!runtime->health().started) usleep(1000);
  for (int round = 0; round < kRounds; round++) {
    std::thread one(use_and_end), two(use_and_end);
    one.join();
    two.join();
  }
  std::puts("survived");
  std::fflush(stdout);
  _exit(0);
}

#include "session_driver.h"

#include <signal.h>

#include "embed/session_slot.h"
#include "embed/signals.h"

namespace pyember::test {

embed::Runtime& runtime() {
  static const std::unique_ptr<embed::Runtime> runtime = [] {
    embed::is_server_thread = true;
    signal(SIGPIPE, SIG_IGN);  // as the server does: a session may print while it closes
    embed::RuntimeOptions options;
    options.python_executable = PYEMBER_TEST_PYTHON;
    options.runtime_directory = PYEMBER_TEST_RUNTIME;
    options.bundled_directory = PYEMBER_TEST_BUNDLED;
    return embed::Runtime::start(std::move(options));
  }();
  embed::install_signal_handlers();  // Catch2 puts its own in place for each test case
  return *runtime;
}

}  // namespace pyember::test

// pyember-enter: the last steps into a sandbox, on both sides of bubblewrap. docs/sandbox.md says
// what they are for.
//
//   pyember-enter --join GROUP … -- bwrap … -- pyember-enter --private … --confine 9 … -- PROGRAM
//
// It does what its options say, in the order of sandbox/options.h, and becomes the program. What
// goes wrong is one line on stderr and the end.

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/file_io.h"
#include "sandbox/first_process.h"
#include "sandbox/options.h"
#include "sandbox/place.h"
#include "sandbox/rights.h"
#include "sandbox/variables.h"

namespace pyember::sandbox {
namespace {

enum ExitCode { Usage = 2, NotEntered = 126, NotExecuted = 127 };

int refuse(ExitCode code, const std::string& message) {
  write_all(2, "pyember-enter: " + message + "\n");
  return code;
}

Failure enter(const Options& options) {
  if (auto failure = join(options.groups)) return failure;
  if (options.own_end >= 0) show_own_end(options.own_end);
  if (options.outlast_term) signal(SIGTERM, SIG_IGN);
  if (auto failure = furnish(options)) return failure;
  if (auto failure = give_up_rights(options)) return failure;
  const std::string& folder = options.working_directory;
  if (!folder.empty() && chdir(folder.c_str()) != 0) return failed("entering " + folder);
  return options.end_with >= 0 ? stay_behind_as_first_process(options.end_with) : Failure{};
}

int start(char** arguments) {
  Options options;
  if (const auto mistake = parse(arguments, options)) {
    return refuse(ExitCode::Usage, mistake.message +
                                       ". It is started by the server; src/sandbox/options.h "
                                       "lists the options.");
  }
  if (options.tell_version) {
    return write_all(1, "pyember-enter " PYEMBER_VERSION "\n") ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  if (const auto failure = enter(options)) return refuse(ExitCode::NotEntered, failure.message);
  if (!options.variables.empty()) take_variables(options.variables);
  execvp(options.program[0], options.program);
  return refuse(ExitCode::NotExecuted,
                failed(std::string("executing ") + options.program[0]).message);
}

}  // namespace
}  // namespace pyember::sandbox

int main(int, char** argv) { _exit(pyember::sandbox::start(argv)); }

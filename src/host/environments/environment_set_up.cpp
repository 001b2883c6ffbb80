#include "host/environments/environment_set_up.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/limits.h"
#include "base/small_file.h"
#include "host/environments/helper_command.h"
#include "host/loop/pool_work.h"
#include "host/loop/uv_handle.h"

namespace pyember::host {

namespace {

// First its version, then where it really is (a shim on PATH is not it).
constexpr const char* kAskInterpreter =
    "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable)";

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string python_words(const std::string& version) {
  return version.empty() ? std::string("Python") : "Python " + version;
}

EnvironmentFailure no_python(const std::string& version, const CommandEnd& end) {
  EnvironmentFailure failure;
  failure.exit_code = end.exit_code;
  failure.stderr_text = without_credentials(end.errors);
  failure.missing =
      Error{ErrorCode::Unavailable,
            fmt::format("OSError: {} is missing: uv found none on this machine and could not "
                        "download one (it said: {}). Install it with 'uv python install{}{}', "
                        "choose another python_version, or pass use_uv=false to run with the "
                        "system's Python.",
                        python_words(version),
                        failure.stderr_text.empty() ? "nothing" : first_line(failure.stderr_text),
                        version.empty() ? "" : " ", version)};
  return failure;
}

EnvironmentFailure no_start(const std::string& program, const std::string& why) {
  EnvironmentFailure failure;
  failure.exit_code = 127;
  failure.missing = Error{
      ErrorCode::Unavailable,
      fmt::format("OSError: {} could not be started: {}. Install uv again (pip install uv), or "
                  "pass use_uv=false to run with the system's Python, which works without it.",
                  program, why)};
  return failure;
}

EnvironmentFailure of_error(Error error) {
  EnvironmentFailure failure;
  failure.stderr_text = error.message + "\n";
  failure.missing = std::move(error);
  return failure;
}

// What says which Python an environment is of. Packages may bring any file, and what is said there
// decides what runs outside a sandbox and what is shown in it.
std::string head_of(const std::string& root) {
  std::string head = read_small_file((root + "/pyvenv.cfg").c_str(), 8192);
  for (const char* name : {"/bin/python", "/bin/python3"}) {
    char target[4096];
    const ssize_t length = readlink((root + name).c_str(), target, sizeof target);
    head.append(1, '\0').append(target, static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  }
  return head;
}

Error changed_environment() {
  return {ErrorCode::InvalidArgument,
          "ValueError: the dependencies can't be used: one of them brings a pyvenv.cfg or an "
          "interpreter, which would make it another environment. Leave it out."};
}

EnvironmentFailure failed_install(CommandEnd end) {
  EnvironmentFailure failure;
  failure.exit_code = end.exit_code == 0 ? 1 : end.exit_code;
  failure.stderr_text = without_credentials(std::move(end.errors));
  if (end.timed_out) {
    if (!failure.stderr_text.empty() && failure.stderr_text.back() != '\n') {
      failure.stderr_text += '\n';
    }
    failure.stderr_text += fmt::format(
        "The dependencies could not be installed within {} s, so uv was stopped. Look whether the "
        "package index can be reached, then try again: what was downloaded is kept.\n",
        limits::kSetUpDeadline.count() / 1000);
  }
  return failure;
}

}  // namespace

class EnvironmentSetUp::Impl {
 public:
  Impl(EventLoop& loop, const EnvironmentStore& store, std::string uv, Order order, Done done)
      : loop_(loop),
        store_(store),
        uv_(std::move(uv)),
        order_(std::move(order)),
        done_(std::move(done)),
        begun_ns_(now_ns()),
        deadline_ns_(begun_ns_ +
                     static_cast<std::uint64_t>(limits::kSetUpDeadline.count()) * 1'000'000),
        next_timer_(loop, [this] { begin_step(); }) {
    next_ = order_.is_interpreter_only() ? &Impl::find_interpreter : &Impl::make_venv;
    next_timer_.start(std::chrono::milliseconds(0));
  }

  ~Impl() {
    command_.reset();
    if (workshop_.empty()) return;
    run_in_pool(
        loop_, [workshop = workshop_] { EnvironmentStore::discard(workshop); }, nullptr);
  }

 private:
  using Step = void (Impl::*)();
  using Ended = void (Impl::*)(CommandEnd&);

  // The command before is destroyed here and not in its own callback.
  void begin_step() {
    command_.reset();
    (this->*std::exchange(next_, nullptr))();
  }
  void then(Step step) {
    next_ = step;
    next_timer_.start(std::chrono::milliseconds(0));
  }

  void run(std::vector<std::string> command, Ended ended) {
    const std::uint64_t now = now_ns();
    const auto left =
        std::chrono::milliseconds(deadline_ns_ > now ? (deadline_ns_ - now) / 1'000'000 : 1);
    command_.emplace(
        loop_,
        // Not among the environments: there uv would take an id for the name of a Python.
        HelperCommand::Settings{std::move(command), helper_environment(), "/", left},
        [this, ended](CommandEnd end) { (this->*ended)(end); });
  }

  void fail(EnvironmentFailure failure) {
    if (const Done done = std::exchange(done_, nullptr)) done(std::nullopt, std::move(failure));
  }

  void succeed(ReadyEnvironment environment) {
    environment.setup_seconds = static_cast<double>(now_ns() - begun_ns_) / 1e9;
    if (const Done done = std::exchange(done_, nullptr)) done(std::move(environment), {});
  }

  // The Python to ask uv for. Of the version that is embedded there is one for certain, also where
  // uv looks in vain (an interpreter that is not on PATH, or only as a version manager's shim).
  std::string python_to_name() const {
    const std::string& version = order_.key.python_version;
    const bool embedded =
        version == PYEMBER_PYTHON_VERSION && access(PYEMBER_PYTHON_EXECUTABLE, X_OK) == 0;
    return embedded ? PYEMBER_PYTHON_EXECUTABLE : version;
  }

  // --- an environment of its own

  void make_venv() {
    Result<std::string> workshop = store_.new_workshop();
    if (!workshop) return fail(of_error(workshop.error()));
    workshop_ = workshop.take();
    std::vector<std::string> command = {uv_, "venv", "--relocatable", "--no-project", "--quiet"};
    if (const std::string python = python_to_name(); !python.empty()) {
      command.insert(command.end(), {"--python", python});
    }
    command.push_back(workshop_);
    run(std::move(command), &Impl::venv_made);
  }

  void venv_made(CommandEnd& end) {
    if (!end.start_error.empty()) return fail(no_start(uv_, end.start_error));
    if (end.exit_code != 0) return fail(no_python(order_.key.python_version, end));
    made_ = head_of(workshop_);
    then(order_.key.dependencies.empty() ? &Impl::complete : &Impl::install);
  }

  void install() {
    std::vector<std::string> command = {uv_,       "pip",      "install",
                                        "--quiet", "--python", workshop_ + "/bin/python"};
    if (order_.key.wheels_only) command.emplace_back("--no-build");
    command.emplace_back("--");
    command.insert(command.end(), order_.key.dependencies.begin(), order_.key.dependencies.end());
    run(std::move(command), &Impl::installed);
  }

  void installed(CommandEnd& end) {
    if (!end.start_error.empty()) return fail(no_start(uv_, end.start_error));
    if (end.exit_code != 0 || end.timed_out) return fail(failed_install(std::move(end)));
    if (head_of(workshop_) != made_) return fail(of_error(changed_environment()));
    then(&Impl::complete);
  }

  void complete() {
    // From here on the workshop is the pool's: it ends up in place, or is discarded there.
    const std::string workshop = std::exchange(workshop_, {});
    // Shared with the pool's thread and with what follows, whichever of us is left.
    const auto result = std::make_shared<std::optional<Result<ReadyEnvironment>>>();
    run_in_pool(
        loop_,
        [result, workshop, store = store_, order = order_] {
          *result = store.complete(workshop, order.id, order.name, order.key);
          if (!result->value()) EnvironmentStore::discard(workshop);
        },
        [this, result, alive = std::weak_ptr<bool>(alive_)] {
          if (alive.expired()) return;
          if (result->value()) return succeed(result->value().take());
          fail(of_error(result->value().error()));
        });
  }

  // --- the interpreter as it is

  void find_interpreter() {
    Result<std::string> made = store_.new_workshop();  // makes the folder the commands run in
    if (!made) return fail(of_error(made.error()));
    const std::string version = python_to_name();
    if (version.starts_with('/')) {
      interpreter_ = version;
      return ask_interpreter();
    }
    std::vector<std::string> command = {uv_, "python", "find", "--no-project", "--system"};
    if (!version.empty()) command.push_back(version);
    run(std::move(command), &Impl::interpreter_found);
  }

  void interpreter_found(CommandEnd& end) {
    if (!end.start_error.empty()) return fail(no_start(uv_, end.start_error));
    if (end.exit_code == 0) {
      interpreter_ = first_line(end.output);
      return then(&Impl::ask_interpreter);
    }
    if (std::exchange(tried_to_install_, true)) {
      if (!install_said_.empty()) end.errors = install_said_;
      return fail(no_python(order_.key.python_version, end));
    }
    then(&Impl::install_interpreter);
  }

  // Best effort: what it says is told only when the interpreter is still missing afterwards.
  void install_interpreter() {
    std::vector<std::string> command = {uv_, "python", "install", "--quiet"};
    if (!order_.key.python_version.empty()) command.push_back(order_.key.python_version);
    run(std::move(command), &Impl::interpreter_installed);
  }

  void interpreter_installed(CommandEnd& end) {
    install_said_ = std::move(end.errors);
    then(&Impl::find_interpreter);
  }

  void ask_interpreter() {
    run({interpreter_, "-I", "-S", "-c", kAskInterpreter}, &Impl::interpreter_asked);
  }

  void interpreter_asked(CommandEnd& end) {
    const std::size_t line = end.output.find('\n');
    if (end.exit_code != 0 || line == std::string::npos) {
      if (end.errors.empty()) end.errors = interpreter_ + " " + end.start_error;
      return fail(no_python(order_.key.python_version, end));
    }
    ReadyEnvironment found;
    found.id = order_.id;
    found.version = end.output.substr(0, line);
    found.python = first_line(end.output.substr(line + 1));
    if (access(found.python.c_str(), X_OK) != 0) found.python = interpreter_;
    succeed(std::move(found));
  }

  EventLoop& loop_;
  const EnvironmentStore store_;
  std::string made_;  // head_of() the environment before anything was installed
  const std::string uv_;
  const Order order_;
  Done done_;
  const std::uint64_t begun_ns_;
  const std::uint64_t deadline_ns_;
  // Looked at by what comes back from the pool.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  Timer next_timer_;
  Step next_ = nullptr;
  std::optional<HelperCommand> command_;
  std::string workshop_;
  std::string interpreter_;
  std::string install_said_;
  bool tried_to_install_ = false;
};

EnvironmentSetUp::EnvironmentSetUp(EventLoop& loop, const EnvironmentStore& store, std::string uv,
                                   Order order, Done done)
    : impl_(std::make_unique<Impl>(loop, store, std::move(uv), std::move(order), std::move(done))) {
}

EnvironmentSetUp::~EnvironmentSetUp() = default;

}  // namespace pyember::host

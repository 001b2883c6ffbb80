#include "host/environments/environments.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "host/environments/environment_store.h"
#include "host/environments/helper_command.h"
#include "loop_fixture.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/pyember-environments-XXXXXX";
    path = mkdtemp(name);
  }
  // Again and again: a thread of the pool may be removing parts of it as well.
  ~Folder() {
    std::error_code failed;
    for (int i = 0; i < 200 && fs::exists(path, failed); ++i) {
      fs::remove_all(path, failed);
      if (failed) usleep(10'000);
    }
  }
};

// A variable of this process for the length of a test.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* old = getenv(name)) old_ = old;
    setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (old_) {
      setenv(name_, old_->c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Stands in for uv: does what the shell script says, with $1, $2 … as uv's arguments.
void write_program(const std::string& path, const std::string& script) {
  std::ofstream(path) << "#!/bin/sh\n" << script;
  chmod(path.c_str(), 0755);
}

struct Answer {
  std::optional<ReadyEnvironment> environment;
  EnvironmentFailure failure;
};

struct Made : LoopFixture {
  Folder folder;
  std::string directory = folder.path + "/environments";
  std::optional<Environments> environments;

  explicit Made(std::uint64_t maximum_bytes = 0) {
    environments.emplace(loop, Environments::Settings{directory, maximum_bytes});
  }
  std::uint64_t ask(EnvironmentKey key, std::optional<Answer>& answer, const char* name = nullptr) {
    auto ready = [&answer](std::optional<ReadyEnvironment> environment,
                           EnvironmentFailure failure) {
      REQUIRE_FALSE(answer);
      answer = Answer{std::move(environment), std::move(failure)};
    };
    if (name) return environments->prepare_named(name, std::move(key), ready);
    return environments->prepare(std::move(key), ready);
  }
  Answer get(EnvironmentKey key, const char* name = nullptr) {
    std::optional<Answer> answer;
    ask(std::move(key), answer, name);
    REQUIRE_FALSE(answer);  // never at once
    REQUIRE(until([&] { return answer.has_value(); }, 120s));
    return std::move(*answer);
  }
  // What a command prints in it.
  std::string run(const std::string& program, const std::string& code) {
    std::optional<CommandEnd> end;
    HelperCommand command(loop, {{program, "-c", code}, helper_environment(), "/", 30s},
                          [&end](CommandEnd each) { end = std::move(each); });
    REQUIRE(until([&] { return end.has_value(); }, 40s));
    return end->output + end->errors;
  }
};

// A uv that makes an "environment" in no time and writes down how it was called.
struct FakeUv : Made {
  std::string log = folder.path + "/log";
  Variable variable;

  explicit FakeUv(const std::string& venv = "", const std::string& install = "",
                  std::uint64_t maximum_bytes = 0)
      : Made(maximum_bytes), variable("PYEMBER_UV", folder.path + "/uv") {
    const std::string make =
        "for last; do :; done; mkdir -p \"$last/bin\" \"$last/lib/python3.12/site-packages\"; "
        "cp /bin/true \"$last/bin/python\"; echo 'version_info = 3.12.9' > \"$last/pyvenv.cfg\"";
    write_program(folder.path + "/uv",
                  "echo \"$@\" >> " + log + "\ncase \"$1 $2\" in\n\"venv \"*) " +
                      (venv.empty() ? make : venv) + ";;\n\"pip install\") " +
                      (install.empty() ? "mkdir ${5%/bin/python}/lib/python3.12/site-packages/"
                                         "A_b-1.5.dist-info"
                                       : install) +
                      ";;\nesac\n");
  }
  std::size_t calls(const std::string& what) const {
    std::istringstream lines(text_of(log));
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line);) count += line.starts_with(what) ? 1 : 0;
    return count;
  }
};

}  // namespace

TEST_CASE("Environments: with uv and an index, made once and found ready afterwards", "[slow]") {
  Made made;
  const EnvironmentKey key{PYEMBER_TEST_PYTHON, {"six", "six", " idna "}};
  const Answer first = made.get(key);
  INFO(first.failure.stderr_text);
  REQUIRE(first.environment);
  CHECK(first.environment->setup_seconds > 0);
  CHECK(first.environment->version.starts_with("3."));
  REQUIRE(first.environment->locked.size() == 2);
  CHECK(first.environment->locked[0].starts_with("idna=="));
  CHECK(first.environment->locked[1].starts_with("six=="));
  CHECK(made.run(first.environment->python, "import six, idna; print(six.__name__)") == "six\n");

  const Answer again = made.get({PYEMBER_TEST_PYTHON, {"idna", "six"}});
  REQUIRE(again.environment);
  CHECK(again.environment->setup_seconds == 0);
  CHECK(again.environment->id == first.environment->id);
  CHECK(again.environment->locked == first.environment->locked);
}

TEST_CASE("Environments: an unknown package is uv's failure, told in uv's words", "[slow]") {
  Made made;
  const Answer answer = made.get({PYEMBER_TEST_PYTHON, {"six==0.0.1.nothing"}});
  REQUIRE_FALSE(answer.environment);
  CHECK_FALSE(answer.failure.missing);
  CHECK(answer.failure.exit_code > 0);
  CHECK(answer.failure.stderr_text.find("six") != std::string::npos);
  CHECK(made.environments->list().empty());
}

TEST_CASE("Environments: without dependencies the interpreter is used as it is", "[slow]") {
  Made made;
  const Answer answer = made.get({PYEMBER_TEST_PYTHON, {}});
  REQUIRE(answer.environment);
  CHECK(made.run(answer.environment->python, "print('here')") == "here\n");
  CHECK(answer.environment->root.empty());
  CHECK(made.environments->list().empty());
  // Another server finds it without asking.
  const Variable no_uv("PYEMBER_UV", "/nowhere/uv");
  Environments other(made.loop, {made.directory, 0});
  std::optional<std::string> python;
  other.prepare({PYEMBER_TEST_PYTHON, {}},
                [&](std::optional<ReadyEnvironment> found, EnvironmentFailure) {
                  python = found ? found->python : "";
                });
  REQUIRE(made.until([&] { return python.has_value(); }));
  CHECK(*python == answer.environment->python);
}

TEST_CASE("Environments: an interpreter that is missing is installed through uv, then used") {
  Made made;
  const Variable uv("PYEMBER_UV", made.folder.path + "/uv");
  const std::string installed = made.folder.path + "/installed";
  write_program(made.folder.path + "/uv", "echo \"$@\" >> " + made.folder.path +
                                              "/log\ncase \"$1 $2\" in\n\"python find\") test -e " +
                                              installed + " && echo " + PYEMBER_TEST_PYTHON +
                                              " || exit 2;;\n\"python install\") touch " +
                                              installed + ";;\nesac\n");
  const Answer answer = made.get({"3.99", {}});
  REQUIRE(answer.environment);
  CHECK(answer.environment->version.starts_with("3."));
  CHECK(access(answer.environment->python.c_str(), X_OK) == 0);
  CHECK(made.get({"3.99", {}}).environment->python == answer.environment->python);
  std::istringstream log(text_of(made.folder.path + "/log"));
  std::vector<std::string> lines;
  for (std::string line; std::getline(log, line);) lines.push_back(line);
  REQUIRE(lines.size() == 3);  // the second time nothing is asked
  CHECK(lines[0] == "python find --no-project --system 3.99");
  CHECK(lines[1].starts_with("python install"));
  CHECK(lines[2] == lines[0]);
}

TEST_CASE("Environments: an interpreter that can't be installed is told with uv's reason") {
  Made made;
  const Variable uv("PYEMBER_UV", made.folder.path + "/uv");
  write_program(made.folder.path + "/uv",
                "[ $2 = install ] && echo 'no download found' >&2; exit 2\n");
  const Answer answer = made.get({"3.99", {}});
  REQUIRE(answer.failure.missing);
  CHECK(answer.failure.missing->message.find("no download found") != std::string::npos);
}

TEST_CASE("Environments: a wrong path for a Python is told, not tried for ever") {
  FakeUv made;
  const Answer answer = made.get({"/nowhere/python3", {}});
  REQUIRE(answer.failure.missing);
  CHECK(answer.failure.missing->message.find("/nowhere/python3") != std::string::npos);
}

TEST_CASE("Environments: callers of one key share one set-up") {
  FakeUv made("", "sleep 0.2");
  std::vector<std::optional<Answer>> answers(5);
  for (auto& answer : answers) made.ask({"3.12", {"a"}}, answer);
  for (auto& answer : answers) {
    REQUIRE(made.until([&] { return answer.has_value(); }));
    REQUIRE(answer->environment);
    CHECK(answer->environment->version == "3.12.9");
  }
  CHECK(made.calls("venv") == 1);
  CHECK(made.calls("pip install") == 1);
}

TEST_CASE("Environments: what is installed is told from the disk") {
  FakeUv made;
  const Answer answer = made.get({"3.12", {"a-b"}});
  REQUIRE(answer.environment);
  CHECK(answer.environment->locked == std::vector<std::string>{"a-b==1.5"});
  const auto listed = made.environments->list();
  REQUIRE(listed.size() == 1);
  CHECK(listed[0].dependencies == std::vector<std::string>{"a-b"});
  CHECK(listed[0].bytes > 0);
  CHECK(listed[0].used_at > 1e9);
}

TEST_CASE("Environments: dependencies that are options, empty or of several lines are refused") {
  FakeUv made;
  for (const char* bad : {"--index-url=http://example.org", "-e .", "", "a\nb"}) {
    INFO(bad);
    const Answer answer = made.get({"3.12", {"six", bad}});
    REQUIRE(answer.failure.missing);
    CHECK(answer.failure.missing->code == ErrorCode::InvalidArgument);
    CHECK(answer.failure.missing->message.starts_with("ValueError: "));
  }
  CHECK(made.get({"--help", {"six"}}).failure.missing);
  CHECK(made.calls("") == 0);
}

TEST_CASE("Environments: a failed installation keeps uv's exit code and words, and nothing else") {
  FakeUv made("", "echo 'no such package: https://me:secret@example.org/x' >&2; exit 3");
  const Answer answer = made.get({"3.12", {"a"}});
  CHECK_FALSE(answer.environment);
  CHECK_FALSE(answer.failure.missing);
  CHECK(answer.failure.exit_code == 3);
  CHECK(answer.failure.stderr_text == "no such package: https://***@example.org/x\n");
  // The half-made folder goes away on another thread.
  CHECK(made.until([&] { return fs::is_empty(made.directory); }));
}

TEST_CASE("Environments: a Python that can't be had is an OSError with the way out") {
  FakeUv made("echo 'error: No interpreter found for Python 3.99' >&2; exit 2");
  const Answer answer = made.get({"3.99", {"a"}});
  REQUIRE(answer.failure.missing);
  const std::string& message = answer.failure.missing->message;
  CHECK(message.starts_with("OSError: Python 3.99 is missing"));
  CHECK(message.find("uv python install 3.99") != std::string::npos);
  CHECK(message.find("use_uv=false") != std::string::npos);
}

TEST_CASE("Environments: without uv the answer says how to install it") {
  Made made;
  const Variable path("PATH", made.folder.path);
  const Variable home("HOME", made.folder.path);
  const Variable none("PYEMBER_UV", "");
  const Answer answer = made.get({"3.12", {"a"}});
  REQUIRE(answer.failure.missing);
  CHECK(answer.failure.missing->message.starts_with("OSError: uv was not found"));
  CHECK(answer.failure.missing->message.find("pip install uv") != std::string::npos);
  CHECK(answer.failure.missing->message.find("use_uv=false") != std::string::npos);
  CHECK_FALSE(find_system_python());
  write_program(made.folder.path + "/python3", "exit 0");
  CHECK(find_system_python().value() == made.folder.path + "/python3");
}

TEST_CASE("Environments: the last caller to cancel ends uv and all it started") {
  FakeUv made("", "echo $$ > $(dirname $0)/pid; sleep 60 & echo $! > $(dirname $0)/child; wait");
  std::optional<Answer> first;
  std::optional<Answer> second;
  const auto one = made.ask({"3.12", {"a"}}, first);
  const auto two = made.ask({"3.12", {"a"}}, second);
  const std::string child_file = made.folder.path + "/child";
  REQUIRE(made.until([&] { return fs::exists(child_file) && fs::file_size(child_file) > 0; }));
  const int pid = std::stoi(text_of(made.folder.path + "/pid"));
  const int child = std::stoi(text_of(child_file));
  made.environments->cancel(one);
  made.turn_for(20ms);
  CHECK(kill(pid, 0) == 0);
  made.environments->cancel(two);
  CHECK(made.until([&] { return kill(pid, 0) != 0 && kill(child, 0) != 0; }));
  made.turn_for(20ms);
  CHECK_FALSE(first);
  CHECK_FALSE(second);
  CHECK(made.until([&] { return fs::is_empty(made.directory); }));
}

TEST_CASE("Environments: of many set-ups only a few run at once, and all are answered") {
  FakeUv made("", "echo begin >> $(dirname $0)/turns; sleep 0.1; echo end >> $(dirname $0)/turns");
  std::vector<std::optional<Answer>> answers(12);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    made.ask({"3.12", {"a" + std::to_string(i)}}, answers[i]);
  }
  for (auto& answer : answers) {
    REQUIRE(made.until([&] { return answer.has_value(); }));
    CHECK(answer->environment);
  }
  std::istringstream turns(text_of(made.folder.path + "/turns"));
  int at_once = 0;
  int most = 0;
  for (std::string turn; turns >> turn;) {
    at_once += turn == "begin" ? 1 : -1;
    most = std::max(most, at_once);
  }
  CHECK(at_once == 0);
  CHECK(most <= 4);
  CHECK(most > 1);
}

TEST_CASE("Environments: a broken environment is made again") {
  FakeUv made;
  const Answer first = made.get({"3.12", {"a"}});
  REQUIRE(first.environment);
  fs::remove(first.environment->python);
  const Answer again = made.get({"3.12", {"a"}});
  REQUIRE(again.environment);
  CHECK(again.environment->setup_seconds > 0);
  CHECK(access(again.environment->python.c_str(), X_OK) == 0);
}

TEST_CASE("Environments: two servers that make the same one both get it") {
  FakeUv made("", "sleep 0.2");
  Environments other(made.loop, {made.directory, 0});
  std::optional<Answer> mine;
  std::optional<std::string> theirs;
  made.ask({"3.12", {"a"}}, mine);
  other.prepare({"3.12", {"a"}}, [&](std::optional<ReadyEnvironment> found, EnvironmentFailure) {
    theirs = found ? found->root : "";
  });
  REQUIRE(made.until([&] { return mine && theirs; }));
  REQUIRE(mine->environment);
  CHECK(*theirs == mine->environment->root);
  CHECK(made.calls("venv") == 2);
  CHECK(made.environments->list().size() == 1);
}

TEST_CASE("Environments: a named one is found by its key, listed, and stays until removed") {
  FakeUv made;
  std::optional<Answer> answer = made.get({"3.12", {"a"}}, "tools");
  REQUIRE(answer->environment);
  CHECK(made.get({"3.12", {"a"}}, "tools").environment->setup_seconds == 0);
  const Answer taken = made.get({"3.12", {"b"}}, "tools");
  REQUIRE(taken.failure.missing);
  CHECK(taken.failure.missing->message.find("'tools'") != std::string::npos);
  CHECK(made.get({"3.12", {"b"}}, "../up").failure.missing);
  CHECK(made.get({"3.12", {"b"}}, "").failure.missing);
  REQUIRE(made.environments->list().size() == 1);
  CHECK(made.environments->list()[0].name == "tools");
  CHECK_FALSE(made.environments->remove("tools"));  // whoever holds the answer uses it
  answer.reset();
  CHECK(made.environments->remove("tools"));
  CHECK_FALSE(made.environments->remove("tools"));
  CHECK(made.environments->list().empty());
  CHECK(made.until([&] { return fs::is_empty(made.directory); }));
}

TEST_CASE("Environments: pruning takes the least recently used, never named or used ones") {
  FakeUv made;
  for (const char* each : {"old", "older", "new"}) REQUIRE(made.get({"3.12", {each}}).environment);
  REQUIRE(made.get({"3.12", {"named"}}, "kept").environment);
  const EnvironmentStore store(made.directory);
  std::uint64_t bytes = 0;
  for (const EnvironmentEntry& entry : store.list()) {
    bytes += entry.bytes;
    const std::string& what = entry.dependencies[0];
    const auto age = what == "older" ? 5h : what == "new" ? 0h : 3h;
    fs::last_write_time(store.root(entry.id) + "/pyember.json",
                        fs::file_time_type::clock::now() - age);
  }
  store.prune(bytes - 1);
  auto left = store.list();
  REQUIRE(left.size() == 3);
  CHECK(left[0].dependencies[0] == "new");
  store.prune(0);
  left = store.list();
  REQUIRE(left.size() == 2);
  CHECK(left[0].dependencies[0] == "new");
  CHECK(left[1].name == "kept");
}

TEST_CASE("Environments: what a dead server left half made is removed") {
  FakeUv made;
  fs::create_directories(made.directory + "/.making-2147483647-1-a/bin");
  fs::create_directories(made.directory + "/.gone-1-1-a");
  const std::string mine = made.directory + "/.making-" + std::to_string(getpid()) + "-9-a";
  fs::create_directories(mine);
  fs::last_write_time(made.directory + "/.making-2147483647-1-a",
                      fs::file_time_type::clock::now() - 5min);
  EnvironmentStore(made.directory).prune(1);
  CHECK(fs::exists(mine));
  CHECK(std::distance(fs::directory_iterator(made.directory), {}) == 1);
}

TEST_CASE("HelperCommand: ends with its deadline, with what it printed until then") {
  LoopFixture turn;
  std::optional<CommandEnd> end;
  HelperCommand command(turn.loop,
                        {{"/bin/sh", "-c", "echo so far; sleep 60"}, {"PATH=/bin"}, "/", 100ms},
                        [&](CommandEnd each) { end = std::move(each); });
  REQUIRE(turn.until([&] { return end.has_value(); }));
  CHECK(end->timed_out);
  CHECK(end->exit_code == -SIGKILL);
  CHECK(end->output == "so far\n");
}

TEST_CASE("HelperCommand: keeps the end of what is too much, and says what can't be started") {
  LoopFixture turn;
  std::optional<CommandEnd> end;
  const auto run = [&](std::vector<std::string> command) {
    end.reset();
    const HelperCommand running(turn.loop, {std::move(command), {"PATH=/bin:/usr/bin"}, "/", 20s},
                                [&](CommandEnd each) { end = std::move(each); });
    REQUIRE(turn.until([&] { return end.has_value(); }));
  };
  run({"/bin/sh", "-c", "yes | head -c 1000000; echo last; exit 7"});
  CHECK(end->exit_code == 7);
  CHECK(end->output.size() < 100'000);
  CHECK(end->output.ends_with("\nlast\n"));
  run({"/nowhere/program"});
  CHECK_FALSE(end->start_error.empty());
}

TEST_CASE("Environments: those unused for long are removed, but named ones and those in use") {
  FakeUv made;
  REQUIRE(made.get({"3.12", {"a"}}, "tools").environment);
  std::optional<Answer> used = made.get({"3.12", {"b"}});
  const std::string unused = made.get({"3.12", {"c"}}).environment->id;
  CHECK(made.environments->remove_unused(std::chrono::hours(1)).empty());
  const auto removed = made.environments->remove_unused(std::chrono::seconds(0));
  REQUIRE(removed.size() == 1);
  CHECK(removed[0].id == unused);
  used.reset();
  CHECK(made.environments->remove_unused(std::chrono::seconds(0)).size() == 1);
  REQUIRE(made.environments->list().size() == 1);
  CHECK(made.environments->list()[0].name == "tools");
}

TEST_CASE("Environments: a day of its own is an environment of its own") {
  FakeUv made;
  const Answer some_day = made.get({"3.12", {"a"}});
  const Answer later = made.get({"3.12", {"a"}, "2026-01-31"});
  REQUIRE(some_day.environment);
  REQUIRE(later.environment);
  CHECK(some_day.environment->id != later.environment->id);
}

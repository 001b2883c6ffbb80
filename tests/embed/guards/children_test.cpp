#include "guard_session.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "embed/children.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::test;

namespace {

// Starts children the way the session's runtime does: noted, and marked in their environment.
std::string with_spawn(const std::string& code) {
  return "import os, subprocess, _pyember\n"
         "def spawn(*arguments, **options):\n"
         "    child = subprocess.Popen(arguments, **options); _pyember.note_child(child.pid)\n"
         "    return child\n" +
         code;
}

bool runs(pid_t pid) { return kill(pid, 0) == 0; }

bool gone_soon(pid_t pid) {
  for (int i = 0; i < 5000 && runs(pid); i++) std::this_thread::sleep_for(1ms);
  return !runs(pid);
}

}  // namespace

TEST_CASE("Children: waiting for any reaches only the session's own") {
  const pid_t servers = fork();
  if (servers == 0) _exit(7);
  CHECK(run_code(with_spawn(R"py(
def any_left():
    try: return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError: return "none"
before = any_left()
child = spawn('sh', '-c', 'exit 5')
pid, status = os.wait()
slow = spawn('sleep', '60')
polled = os.waitpid(-1, os.WNOHANG)
slow.kill()
info = os.waitid(os.P_ALL, 0, os.WEXITED)
result = before, pid == child.pid, os.waitstatus_to_exitcode(status), polled, info.si_pid == slow.pid, any_left()
)py")) == "('none', True, 5, (0, 0), True, 'none')");
  int status = 0;
  CHECK(waitpid(servers, &status, 0) == servers);
  CHECK(WEXITSTATUS(status) == 7);
}

TEST_CASE("Children: one session can't reap another's child by its number") {
  GuardSession owner(with_spawn("child = spawn('sleep', '60'); result = child.pid"));
  const std::string pid = owner.wait().value();
  CHECK(run_code("import os; os.waitpid(" + pid + ", os.WNOHANG)") ==
        "ChildProcessError: [Errno 10] No child processes");
  CHECK(embed::end_children(owner.slot(), kLong));
}

TEST_CASE("Children: a number that has passed to another process since is left alone") {
  const pid_t heir = fork();
  if (heir == 0) {
    for (;;) pause();
  }
  GuardSession session("result = 1");
  session.wait();
  // The child that had the number began at another time, and was reaped while nobody could note it.
  embed::note_child(session.slot(), {heir, 1});
  CHECK(embed::end_children(session.slot(), kLong));
  int status = 0;
  CHECK(waitpid(heir, &status, WNOHANG) == 0);
  kill(heir, SIGKILL);
  waitpid(heir, nullptr, 0);
}

TEST_CASE("Children: all that a session left running is ended, and nothing else", "[slow]") {
  const pid_t bystander = fork();
  if (bystander == 0) {
    for (;;) pause();
  }
  GuardSession session(with_spawn(R"py(
stubborn = spawn('sh', '-c', 'trap "" TERM; while :; do sleep 1; done')
parent = spawn('sh', '-c', 'sleep 61 & echo $!; wait', stdout=subprocess.PIPE)
grandchild = int(parent.stdout.readline())
marked = dict(os.environ, PYEMBER_SESSION=str(serial))
leaver = spawn('sh', '-c', 'setsid sleep 62 >/dev/null & echo $!', stdout=subprocess.PIPE, env=marked)
orphan = int(leaver.stdout.readline()); leaver.wait()
ready()
result = f"{stubborn.pid} {parent.pid} {grandchild} {orphan}"
)py"));
  const std::string text = session.wait().value();
  pid_t pids[4];
  REQUIRE(sscanf(text.c_str(), "%d %d %d %d", &pids[0], &pids[1], &pids[2], &pids[3]) == 4);
  for (pid_t pid : pids) REQUIRE(runs(pid));
  CHECK(embed::end_children(session.slot(), kLong));
  for (pid_t pid : pids) CHECK(gone_soon(pid));
  CHECK(embed::children(session.slot()).empty());
  CHECK(runs(bystander));
  kill(bystander, SIGKILL);
  waitpid(bystander, nullptr, 0);
}

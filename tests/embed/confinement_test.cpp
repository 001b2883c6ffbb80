// Sessions that are confined, on the real kernel: what is refused, that everything else goes on,
// and that nobody else is held.
#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "base/limits.h"
#include "embed/confinement.h"
#include "session_driver.h"
#include "support/catch.h"

using namespace std::chrono_literals;
using pyember::embed::Confinement;
using pyember::embed::Fence;
using pyember::embed::SessionOptions;
using pyember::embed::Status;
using pyember::test::runtime;
using pyember::test::SessionDriver;

namespace {

// A folder with an inside, an outside and one the session owns; gone with the test.
class Folders {
 public:
  Folders() {
    std::string name =
        (std::filesystem::temp_directory_path() / "pyember-confined-XXXXXX").string();
    root_ = mkdtemp(name.data());
    for (const char* each : {"in", "out", "own"}) std::filesystem::create_directory(root_ / each);
    std::ofstream(root_ / "out" / "kept") << "kept";
  }
  ~Folders() { std::filesystem::remove_all(root_); }

  std::string path(const char* name) const { return (root_ / name).string(); }
  // Binds `inside`, `outside` and `own` in the session, and imports what the tests use.
  std::string prologue() const {
    return fmt::format("import os\ninside, outside, own = {:?}, {:?}, {:?}", path("in"),
                       path("out"), path("own"));
  }

 private:
  std::filesystem::path root_;
};

SessionOptions confined(Confinement confinement, std::string folder = "") {
  SessionOptions options;
  options.name = "confined";
  options.working_directory = "/tmp";
  options.confinement = std::move(confinement);
  options.folder = std::move(folder);
  return options;
}

Confinement no_network() { return {.no_network = true, .write_paths = {}}; }
Confinement writes_to(std::vector<std::string> paths) {
  return {.no_network = false, .write_paths = std::move(paths)};
}
Confinement everything() { return {.no_network = true, .write_paths = std::vector<std::string>()}; }

// What each of the expressions does: its value, or its exception's name and errno.
constexpr char kTry[] =
    "def attempt(f):\n"
    "    try:\n        f()\n        return 'done'\n"
    "    except OSError as e: return e.errno";

bool contains(const std::string& text, const char* part) { return text.find(part) != text.npos; }

std::size_t retired() { return runtime().health().interpreters_retired; }

// The count goes up a moment after the session was closed.
bool wait_for_retired(std::size_t count) {
  for (int i = 0; i < 3000 && retired() < count; i++) usleep(10'000);
  return retired() >= count;
}

}  // namespace

TEST_CASE("Confinement: without a network only local sockets can be made") {
  SessionDriver session(confined(no_network()));
  session.run(fmt::format("import socket\n{}", kTry));
  CHECK(session.run("attempt(lambda: socket.socket(socket.AF_INET))").outcome.result == "1");
  CHECK(session.run("attempt(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))")
            .outcome.result == "1");
  CHECK(session.run("attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))")
            .outcome.result == "1");
  CHECK(session.run("attempt(lambda: socket.socket(socket.AF_UNIX).close())").outcome.result ==
        "'done'");
  CHECK(session.run("a, b = socket.socketpair(); a.send(b'x'); b.recv(1)").outcome.result ==
        "b'x'");
  CHECK(session.run("attempt(lambda: socket.create_connection(('127.0.0.1', 9)))").outcome.result ==
        "1");
}

#ifdef __x86_64__
TEST_CASE("Confinement: the ways around socket() are closed too") {
  SessionDriver session(confined(no_network()));
  const auto answer = session.run(
      "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
      "def by_number(n):\n    ctypes.set_errno(0)\n    r = libc.syscall(n, 2, 1, 0, 0)\n"
      "    return r, ctypes.get_errno()\n"
      "[by_number(n) for n in (41, 0x40000029, 425)]");  // socket, its x32 number, io_uring_setup
  CHECK(answer.outcome.result == "[(-1, 1), (-1, 1), (-1, 1)]");
}
#endif

TEST_CASE("Confinement: asyncio and a cell that awaits go on working", "[interposed]") {
  SessionDriver session(confined(everything()));
  CHECK(session.run("import asyncio\nasyncio.run(asyncio.sleep(0.01, 'slept'))").outcome.result ==
        "'slept'");
  CHECK(session.run("await asyncio.sleep(0.01, 'awaited')").outcome.result == "'awaited'");
  CHECK(session.run("await asyncio.to_thread(lambda: 7)").outcome.result == "7");
  CHECK(session
            .run("p = await asyncio.create_subprocess_exec('echo', 'child', stdout=-1)\n"
                 "(await p.communicate())[0]")
            .outcome.result == "b'child\\n'");
}

TEST_CASE("Confinement: threads and children of the session are confined as well") {
  const Folders folders;
  SessionDriver session(confined(everything(), folders.path("own")));
  session.run(folders.prologue());
  session.run(fmt::format("import socket, subprocess, sys, threading\n{}\nfound = []", kTry));
  session.run(
      "def look():\n    found.append(attempt(lambda: socket.socket(socket.AF_INET)))\n"
      "    found.append(attempt(lambda: open(outside + '/new', 'w')))\n"
      "    found.append(attempt(lambda: open(own + '/new', 'w')))\n"
      "t = threading.Thread(target=look); t.start(); t.join()");
  CHECK(session.run("found").outcome.result == "[1, 13, 'done']");
  const auto child = session.run(
      "code = 'import socket\\ntry: socket.socket(socket.AF_INET)\\nexcept OSError as e: "
      "print(e.errno)\\ntry: open({!r}, \"w\")\\nexcept OSError as e: "
      "print(e.errno)'.format(outside + '/new')\n"
      "subprocess.run([sys.executable, '-c', code])\n"
      "os.system(f'echo x > {outside}/new; echo $? > {own}/said')\nopen(own + '/said').read()");
  CHECK(child.output == "1\n13\n");
  CHECK(child.outcome.result != "'0\\n'");
  CHECK(!std::filesystem::exists(folders.path("out/new")));
}

TEST_CASE("Confinement: writes go to the given paths and the session's folder, and nowhere else") {
  const Folders folders;
  SessionDriver session(confined(writes_to({folders.path("in")}), folders.path("own")));
  session.run(folders.prologue());
  session.run(kTry);
  const auto answer = session.run(
      "kept = outside + '/kept'\n"
      "[attempt(f) for f in (lambda: open(kept, 'w'), lambda: open(kept, 'a'),\n"
      "  lambda: os.open(kept, os.O_RDONLY | os.O_TRUNC), lambda: os.truncate(kept, 0),\n"
      "  lambda: os.unlink(kept), lambda: os.mkdir(outside + '/d'),\n"
      "  lambda: os.symlink('x', outside + '/l'), lambda: os.mkfifo(outside + '/f'),\n"
      "  lambda: os.rename(kept, outside + '/other'), lambda: open(outside + '/new', 'x'))]");
  CHECK(answer.outcome.result == "[13, 13, 13, 13, 13, 13, 13, 13, 13, 13]");
  CHECK(session.run("open(kept).read()").outcome.result == "'kept'");
  const auto across = session.run(
      "open(inside + '/a', 'w').write('x')\n"
      "[attempt(lambda: os.rename(inside + '/a', outside + '/a')) in (13, 18),\n"
      " attempt(lambda: os.link(kept, inside + '/k')) in (13, 18)]");
  CHECK(across.outcome.result == "[True, True]");
  const auto allowed = session.run(
      "def all_of_it():\n    os.mkdir(inside + '/d'); os.truncate(inside + '/a', 0)\n"
      "    os.rename(inside + '/a', inside + '/d/b'); os.rename(inside + '/d/b', own + '/c')\n"
      "    os.unlink(own + '/c'); os.rmdir(inside + '/d')\n"
      "    open('/dev/null', 'w').write('gone')\n"
      "attempt(all_of_it)");
  CHECK(allowed.outcome.result == "'done'");
}

TEST_CASE("Confinement: a single file can be what may be written to") {
  const Folders folders;
  SessionDriver session(confined(writes_to({folders.path("out/kept")})));
  session.run(folders.prologue());
  session.run(kTry);
  CHECK(session.run("attempt(lambda: open(outside + '/kept', 'w').write('new'))").outcome.result ==
        "'done'");
  CHECK(session.run("attempt(lambda: open(outside + '/new', 'w'))").outcome.result == "13");
}

TEST_CASE("Confinement: modules can be imported where their byte code can't be written") {
  const Folders folders;
  std::ofstream(folders.path("out/fresh_module.py")) << "value = 42\n";
  SessionDriver session(confined(everything()));
  session.run(folders.prologue());
  const auto answer = session.run(
      "import sys; sys.path.insert(0, outside); import fresh_module; fresh_module.value");
  CHECK(answer.outcome.result == "42");
}

TEST_CASE("Confinement: output works, also after the code closed or replaced its descriptors",
          "[interposed]") {
  SessionDriver session(confined(everything()));
  CHECK(session.run("import os; print('one'); os.write(1, b'two\\n'); os.system('echo three')")
            .output == "one\ntwo\nthree\n");
  session.run("os.close(1); os.close(2)");
  CHECK(session.run("print('back'); os.system('echo child')").output == "back\nchild\n");
  session.run("null = os.open('/dev/null', os.O_WRONLY); os.dup2(null, 1); os.close(1)");
  CHECK(session.run("print('again')").output == "again\n");
  CHECK(session.run("open('/dev/stdout', 'w').write('by name\\n'); None").output == "by name\n");
  CHECK(session.run("open('/dev/stderr', 'w').write('by name\\n'); None").errors == "by name\n");
}

TEST_CASE("Confinement: what runs too long still stops, with the names intact", "[interposed]") {
  SessionDriver session(confined(everything()));
  session.run("import threading, time, asyncio\nkept = 1");
  for (const char* code :
       {"time.sleep(1000)", "while True: pass", "l = threading.Lock(); l.acquire(); l.acquire()",
        "await asyncio.sleep(1000)", "import subprocess; subprocess.run(['sleep', '1000'])"}) {
    CAPTURE(code);
    CHECK(session.run(code, 50ms).outcome.status == Status::TimedOut);
    CHECK(session.run("kept").outcome.result == "1");
  }
}

TEST_CASE("Confinement: an interrupt from outside reaches a confined session", "[interposed]") {
  SessionDriver session(confined(everything()));
  const auto number = session.submit("import time\nkept = 2\ntime.sleep(1000)");
  while (!session.session().running()) usleep(1000);
  usleep(50'000);
  session.session().interrupt(0);
  CHECK(session.wait(number).outcome.status == Status::Interrupted);
  CHECK(session.run("kept").outcome.result == "2");
}

TEST_CASE("Confinement: C code that never looks is parked and a crash is contained") {
  SessionDriver bystander;
  bystander.run("x = 5");
  SessionDriver stuck(confined(everything()));
  CHECK(stuck.run("sum(range(10**12))", 50ms).outcome.status == Status::Lost);
  SessionDriver crashing(confined(everything()));
  const auto answer = crashing.run("import ctypes\ndef boom():\n    ctypes.string_at(0)\nboom()");
  CHECK(answer.outcome.status == Status::Lost);
  REQUIRE(answer.outcome.error);
  CHECK(contains(answer.outcome.error->traceback, "in boom"));
  CHECK(bystander.run("x").outcome.result == "5");
}

TEST_CASE("Confinement: children that are left running end with the session") {
  const Folders folders;
  SessionDriver session(confined(everything(), folders.path("own")));
  session.run(folders.prologue());
  const auto answer = session.run(
      "import subprocess; p = subprocess.Popen(['sleep', '1000'], start_new_session=True); p.pid");
  REQUIRE(answer.outcome.result);
  const pid_t child = std::stoi(*answer.outcome.result);
  session.close();
  for (int i = 0; i < 3000 && kill(child, 0) == 0; i++) usleep(10'000);
  CHECK(kill(child, 0) != 0);
}

TEST_CASE("Confinement: another session at the same time is not held") {
  const Folders folders;
  SessionDriver session(confined(everything()));
  CHECK(session.run("1").outcome.result == "1");
  SessionDriver free;
  free.run(folders.prologue());
  free.run(fmt::format("import socket\n{}", kTry));
  CHECK(free.run("attempt(lambda: socket.socket(socket.AF_INET).close())").outcome.result ==
        "'done'");
  CHECK(free.run("attempt(lambda: open(outside + '/new', 'w').close())").outcome.result ==
        "'done'");
}

TEST_CASE("Confinement: a closed session's interpreter serves no other") {
  const Folders folders;
  const std::size_t before = retired();
  pid_t thread = 0;
  {
    SessionDriver session(confined(everything()));
    CHECK(session.run("1").outcome.result == "1");
    thread = session.session().thread_id();
  }
  CHECK(wait_for_retired(before + 1));
  for (int i = 0; i < 6; i++) {  // more than there are spares
    SessionDriver next;
    next.run(folders.prologue());
    CHECK(next.session().thread_id() != thread);
    next.run(fmt::format("import socket\n{}", kTry));
    CHECK(next.run("attempt(lambda: socket.socket(socket.AF_INET).close())").outcome.result ==
          "'done'");
    CHECK(next.run("attempt(lambda: open(outside + '/new', 'w').close())").outcome.result ==
          "'done'");
  }
}

TEST_CASE("Confinement: a reset leaves the session confined") {
  const Folders folders;
  SessionDriver session(confined(everything(), folders.path("own")));
  session.run("x = 1");
  session.reset();
  CHECK(session.run("x").outcome.status == Status::Raised);
  session.run(folders.prologue());
  session.run(fmt::format("import socket\n{}", kTry));
  CHECK(session.run("attempt(lambda: socket.socket(socket.AF_INET))").outcome.result == "1");
  CHECK(session.run("attempt(lambda: open(outside + '/new', 'w'))").outcome.result == "13");
  CHECK(session.run("attempt(lambda: open(own + '/new', 'w'))").outcome.result == "'done'");
  CHECK(session.run("print('printed')").output == "printed\n");
  const auto answer = session.run("open(outside + '/new', 'w')");
  REQUIRE(answer.outcome.notices.size() == 1);
}

TEST_CASE("Confinement: code that is refused something is told that the session is confined") {
  const Folders folders;
  SessionDriver session(
      confined({.no_network = true, .write_paths = {{folders.path("in")}}}, folders.path("own")));
  session.run(folders.prologue());
  const auto answer = session.run("open(outside + '/new', 'w')");
  CHECK(answer.outcome.status == Status::Raised);
  REQUIRE(answer.outcome.error);
  CHECK(answer.outcome.error->type == "PermissionError");
  REQUIRE(answer.outcome.notices.size() == 1);
  CHECK(contains(answer.outcome.notices[0], "it has no network"));
  CHECK(contains(answer.outcome.notices[0], folders.path("in").c_str()));
  CHECK(contains(answer.outcome.notices[0], folders.path("own").c_str()));
  // Also when a library has put its own error around it.
  CHECK(session.run("import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')")
            .outcome.notices.size() == 1);
  CHECK(session.run("import tempfile; os.chdir('/'); tempfile.mkdtemp()").outcome.notices.size() ==
        1);
  CHECK(session.run("1 / 0").outcome.notices.empty());
  SessionDriver free;
  CHECK(free.run("raise PermissionError").outcome.notices.empty());
}

TEST_CASE("Confinement: the session finds no descriptor of what confines it") {
  SessionDriver free;
  SessionDriver session(confined(everything()));
  const char* count = "import os; len(os.listdir('/proc/thread-self/fd'))";
  CHECK(session.run(count).outcome.result == free.run(count).outcome.result);
}

TEST_CASE("Confinement: a path that is of no use is said, and costs no interpreter") {
  for (std::size_t i = 0; i <= pyember::limits::kMaximumRetired; i++) {
    SessionDriver missing(confined(writes_to({"/nowhere/at/all"})));
    const std::string why = missing.wait_until_lost();
    CHECK(contains(why, "was not opened"));
    CHECK(contains(why, "/nowhere/at/all can't be opened (No such file or directory)"));
    CHECK(contains(why, "make them first"));
  }
  for (const char* path : {"relative/path", ""}) {
    SessionDriver wrong(confined(writes_to({path})));
    CHECK(contains(wrong.wait_until_lost(), "is not absolute"));
  }
  SessionDriver folder(confined(writes_to({}), "/nowhere/own"));
  CHECK(contains(folder.wait_until_lost(), "/nowhere/own"));
  SessionDriver next;
  CHECK(next.run("1 + 1").outcome.result == "2");
}

TEST_CASE("Confinement: a kernel that can't keep it refuses the session") {
  // A thread that may use neither Landlock nor filters stands for such a kernel.
  std::string no_writes, no_network_either;
  std::thread([&] {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 444, 3, 0),  // landlock_create_ruleset
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_SECCOMP, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{std::size(program), program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) return;
    if (auto fence = Fence::make(writes_to({}), ""); !fence) no_writes = fence.error().message;
    if (auto fence = Fence::make(no_network(), ""); !fence) {
      no_network_either = fence.error().message;
    }
  }).join();
  CHECK(contains(no_writes, "Landlock, and it has none (Function not implemented)"));
  CHECK(contains(no_writes, "or use Linux 6.2"));
  CHECK(contains(no_network_either, "a seccomp filter, and the kernel has none"));
}

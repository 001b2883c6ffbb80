// What a sandbox shows, as arguments and plans. tests/sandbox starts real ones.

#include <linux/filter.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/file_io.h"
#include "host/boundaries/bubblewrap.h"
#include "host/boundaries/sandbox_python.h"
#include "host/boundaries/seccomp_program.h"
#include "support/catch.h"

namespace pyember::host {

namespace {

namespace files = std::filesystem;
using Words = std::vector<std::string>;

class Folder {
 public:
  Folder() {
    char path[] = "/tmp/sandbox-test-XXXXXX";
    path_ = mkdtemp(path);
  }
  ~Folder() { files::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = getenv(name)) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  ~Variable() { before_.empty() ? unsetenv(name_) : setenv(name_, before_.c_str(), 1); }

 private:
  const char* name_;
  std::string before_;
};

Words arguments_of(const SandboxPlan& plan) {
  const Variable enter("PYEMBER_ENTER", "/bin/true");
  const Variable bubblewrap("PYEMBER_BWRAP", "/bin/true");
  return sandbox_command(plan, {"program", "argument"}).take().arguments;
}

// Where `part` begins in `all`; its size: nowhere.
std::size_t find(const Words& all, const Words& part) {
  return std::search(all.begin(), all.end(), part.begin(), part.end()) - all.begin();
}

bool holds(const Words& all, const Words& part) { return find(all, part) < all.size(); }

bool shows(const SandboxPlan& plan, const std::string& path) {
  return std::any_of(plan.read_only.begin(), plan.read_only.end(),
                     [&](const SandboxPath& each) { return each.outside == path; });
}

void write_file(const std::string& path, const std::string& text = "") {
  files::create_directories(files::path(path).parent_path());
  std::ofstream(path) << text;
}

}  // namespace

TEST_CASE("Sandbox: every namespace is its own, and no network is shared") {
  const Words said = arguments_of({});
  for (const char* each : {"--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
                           "--new-session", "--die-with-parent"}) {
    CHECK(holds(said, {each}));
  }
  CHECK_FALSE(holds(said, {"--share-net"}));
  CHECK(holds(said, {"--cap-drop", "ALL"}));
}

TEST_CASE("Sandbox: the program is the last of it, after the filter and the first process") {
  const Words said = arguments_of({});
  CHECK(find(said, {"--confine", "9"}) < find(said, {"--first-process"}));
  CHECK(find(said, {"--", "program", "argument"}) == said.size() - 3);
}

TEST_CASE("Sandbox: the environment is the plan's and the filter a descriptor") {
  const Variable enter("PYEMBER_ENTER", "/bin/true");
  const Variable bubblewrap("PYEMBER_BWRAP", "/bin/true");
  SandboxPlan plan;
  plan.environment = {"A=1"};
  const auto command = sandbox_command(plan, {"x"}).take();
  CHECK(command.environment == Words{"A=1"});
  REQUIRE(command.descriptors.size() == 1);
  CHECK(command.descriptors[0].number == kSandboxFilterDescriptor);
  CHECK(command.descriptors[0].from >= 64);
}

TEST_CASE("Sandbox: control groups are entered before bubblewrap begins") {
  SandboxPlan plan;
  plan.control_groups = {"/sys/fs/cgroup/a", "/sys/fs/cgroup/b"};
  const Words said = arguments_of(plan);
  CHECK(holds(said, {"--join", "/sys/fs/cgroup/a", "--join", "/sys/fs/cgroup/b"}));
  CHECK(find(said, {"--join"}) < find(said, {"--"}));
}

TEST_CASE("Sandbox: folders are made before what is bound below them") {
  SandboxPlan plan;
  plan.read_only = {{"/data/b/c"}, {"/elsewhere", "/data/b"}};
  const Words said = arguments_of(plan);
  const auto above = find(said, {"--ro-bind", "/elsewhere", "/data/b"});
  CHECK(find(said, {"--dir", "/data"}) < above);
  CHECK(above < find(said, {"--ro-bind", "/data/b/c", "/data/b/c"}));
}

TEST_CASE("Sandbox: what another path shows already is not bound twice") {
  SandboxPlan plan;
  plan.read_only = {{"/data"}, {"/data/packages"}, {"/usr/lib/python3"}, {"/lib/python3"}};
  const Words said = arguments_of(plan);
  CHECK(holds(said, {"--ro-bind", "/data", "/data"}));
  CHECK_FALSE(holds(said, {"/data/packages"}));
  CHECK_FALSE(holds(said, {"/usr/lib/python3"}));
  CHECK_FALSE(holds(said, {"/lib/python3"}));
}

TEST_CASE("Sandbox: a folder below a read-only one may be writable") {
  SandboxPlan plan;
  plan.read_only = {{"/data"}};
  plan.read_write = {{"/data/out"}};
  const Words said = arguments_of(plan);
  CHECK(find(said, {"--ro-bind", "/data", "/data"}) <
        find(said, {"--bind", "/data/out", "/data/out"}));
}

TEST_CASE("Sandbox: paths that need not exist are tried") {
  SandboxPlan plan;
  plan.read_only = {{"/perhaps", "", true}, {"/surely"}};
  const Words said = arguments_of(plan);
  CHECK(holds(said, {"--ro-bind-try", "/perhaps", "/perhaps"}));
  CHECK(holds(said, {"--ro-bind", "/surely", "/surely"}));
}

TEST_CASE("Sandbox: private folders come before what is given below them") {
  SandboxPlan plan;
  plan.read_only = {{"/given", "/tmp/given"}};
  const Words said = arguments_of(plan);
  CHECK(find(said, {"--tmpfs", "/tmp"}) < find(said, {"--ro-bind", "/given", "/tmp/given"}));
  CHECK(holds(said, {"--private", "/tmp:67108864:16384:1777"}));
  CHECK(holds(said, {"--private", "/workspace:134217728:65536:700"}));
}

TEST_CASE("Sandbox: without bubblewrap the error says how to install it") {
  const Variable enter("PYEMBER_ENTER", "/bin/true");
  const Variable path("PATH", "/nowhere");
  const auto command = sandbox_command({}, {"x"});
  REQUIRE_FALSE(command.ok());
  CHECK(command.error().message.find("apt install bubblewrap") != std::string::npos);
}

TEST_CASE("Sandbox: an executable's installation and its links are shown") {
  const Folder home;
  write_file(home / "python-3.13/bin/python3.13");
  write_file(home / "python-3.13/lib/python3.13/os.py");
  files::create_directories(home / "bin");
  symlink("../python-3.13/bin/python3.13", (home / "bin/python").c_str());
  const Variable variable("HOME", home.path());
  const SandboxPlan plan =
      sandbox_for_python({home / "bin/python", "/runtime", "/bundled", {}, ""});
  CHECK(shows(plan, home / "python-3.13"));
  CHECK(shows(plan, "/runtime"));
  CHECK(shows(plan, "/bundled"));
  CHECK_FALSE(shows(plan, home.path()));
  REQUIRE(plan.links.size() == 1);
  CHECK(plan.links[0].first == home / "bin/python");
  CHECK(plan.links[0].second == "../python-3.13/bin/python3.13");
}

TEST_CASE("Sandbox: of a Python installed into a home folder its own parts are shown") {
  const Folder home;
  write_file(home / ".local/bin/python3.13");
  write_file(home / ".local/lib/python3.13/os.py");
  write_file(home / ".local/lib/libpython3.13.so");
  write_file(home / ".local/share/keyrings/secret");
  const Variable variable("HOME", home.path());
  const SandboxPlan plan =
      sandbox_for_python({home / ".local/bin/python3.13", "/runtime", "/bundled", {}, ""});
  CHECK_FALSE(shows(plan, home / ".local"));
  CHECK(shows(plan, home / ".local/bin/python3.13"));
  CHECK(shows(plan, home / ".local/lib/python3.13"));
  CHECK(shows(plan, home / ".local/lib/libpython3.13.so"));
}

TEST_CASE("Sandbox: an environment is shown with the Python it was made from") {
  const Folder place;
  write_file(place / "base/bin/python3");
  write_file(place / "venv/pyvenv.cfg", "home = " + (place / "base/bin") + "\nversion = 3.13\n");
  const SandboxPlan plan = sandbox_for_python(
      {"/usr/bin/python3", "/runtime", "/bundled", {place / "more"}, place / "venv"});
  CHECK(shows(plan, place / "venv"));
  CHECK(shows(plan, place / "base"));
  CHECK(shows(plan, place / "more"));
}

TEST_CASE("Sandbox: links that go round are given up") {
  const Folder place;
  files::create_directories(place / "bin");
  symlink("b", (place / "bin/a").c_str());
  symlink("a", (place / "bin/b").c_str());
  CHECK(sandbox_for_python({place / "bin/a", "", "", {}, ""}).links.size() == 2);
}

TEST_CASE("Sandbox filter: it is made once, whole, and can't be changed") {
  const auto filter = sandbox_filter();
  REQUIRE(filter.ok());
  CHECK(sandbox_filter().value() == filter.value());
  struct stat status {};
  REQUIRE(fstat(filter.value(), &status) == 0);
  CHECK(status.st_size % static_cast<off_t>(sizeof(sock_filter)) == 0);
  CHECK(status.st_size / static_cast<off_t>(sizeof(sock_filter)) > 100);
  CHECK(pwrite(filter.value(), "x", 1, 0) < 0);
  CHECK(ftruncate(filter.value(), 0) != 0);
}

}  // namespace pyember::host

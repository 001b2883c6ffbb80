#include "host/boundaries/allowed_paths.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/limits.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

namespace fs = std::filesystem;

namespace {

// A machine's folders: somebody's home with keys and data, a server's state and program.
struct Machine {
  Machine() {
    char name[] = "/var/tmp/pyember-paths-XXXXXX";
    root = mkdtemp(name);
    for (const char* each : {"home/.ssh", "home/project/src", "home/.config/gh", "home/state/jobs",
                             "home/program/bin", "data"}) {
      fs::create_directories(at(each));
    }
    std::ofstream(at("data/file")) << "text";
    forbidden = {at("home"), {at("home/state/jobs"), at("home/state/later")}, {at("home/program")}};
  }
  ~Machine() { fs::remove_all(root); }

  std::string at(const std::string& name) const { return root + "/" + name; }

  AllowedPath allowed(const std::string& text) const {
    const auto parsed = parse_allowed_paths({text}, forbidden);
    INFO((parsed.ok() ? "" : parsed.error().message));
    REQUIRE(parsed.ok());
    return parsed.value().at(0);
  }
  std::string refused(const std::string& text) const {
    const auto parsed = parse_allowed_paths({text}, forbidden);
    INFO(text);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().message.find("can't be shown in sandboxes, because ") !=
          std::string::npos);
    CHECK(parsed.error().message.find("Name a file or folder like") != std::string::npos);
    return parsed.error().message;
  }

  std::string root;
  ForbiddenPlaces forbidden;
};

bool says(const std::string& message, const std::string& part) {
  return message.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE_METHOD(Machine, "Allowed paths: a path is shown for reading, with :rw for writing") {
  const std::string data = at("data");
  CHECK(allowed(data) == AllowedPath{data, data, false});
  CHECK(allowed(data + "/:ro") == AllowedPath{data, data, false});
  CHECK(allowed(data + ":rw") == AllowedPath{data, data, true});
  CHECK(allowed(data + "/file") == AllowedPath{data + "/file", data + "/file", false});
  CHECK(allowed(at("home/project")).inside == at("home/project"));
}

TEST_CASE_METHOD(Machine, "Allowed paths: a link is shown as what it leads to") {
  fs::create_symlink(at("data"), at("link"));
  CHECK(allowed(at("link")) == AllowedPath{at("data"), at("link"), false});
  fs::create_symlink(at("home/.ssh"), at("trap"));
  CHECK(says(refused(at("trap")), "holds keys"));
}

TEST_CASE_METHOD(Machine, "Allowed paths: what is not there, or no path, is refused") {
  CHECK(says(refused("data"), "it does not begin with /"));
  CHECK(says(refused(""), "it does not begin with /"));
  CHECK(says(refused("~/data"), "it does not begin with /"));
  CHECK(says(refused(at("none")), "No such file"));
}

TEST_CASE_METHOD(Machine, "Allowed paths: sockets and devices are refused") {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  at("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  const int made = socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(bind(made, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  CHECK(says(refused(at("socket")), "neither a file nor a folder"));
  close(made);
  CHECK(says(refused("/dev/null"), "neither a file nor a folder"));
}

TEST_CASE_METHOD(Machine, "Allowed paths: what a sandbox has of its own is refused") {
  for (const char* each : {"/", "/etc", "/usr", "/tmp", "/var/..", "/tmp/", "/proc", "/proc/self",
                           "/sys/kernel", "/dev", "/run", "/dev/../proc/1", "/var/lib"}) {
    refused(each);
  }
}

TEST_CASE_METHOD(Machine, "Allowed paths: the home folder and what holds keys in it are refused") {
  CHECK(says(refused(at("home")), "the home folder"));
  CHECK(says(refused(root), "the home folder"));
  CHECK(says(refused(root + ":rw"), "the home folder"));
  CHECK(says(refused(at("home/.ssh")), "holds keys"));
  CHECK(says(refused(at("home/.config")), "holds keys"));
  CHECK(says(refused(at("home/project/../.ssh")), "holds keys"));
}

TEST_CASE_METHOD(Machine,
                 "Allowed paths: the server's state is refused, what lies in and above too") {
  fs::create_directories(at("home/state/jobs/7"));
  CHECK(says(refused(at("home/state/jobs")), "the server keeps its own"));
  CHECK(says(refused(at("home/state/jobs/7")), "the server keeps its own"));
  CHECK(says(refused(at("home/state")), "the server keeps its own"));
}

TEST_CASE_METHOD(Machine, "Allowed paths: what the server runs from can be read and not written") {
  CHECK(allowed(at("home/program/bin")).writable == false);
  CHECK(says(refused(at("home/program/bin:rw")), "the server runs what is in"));
  CHECK(says(refused(at("home/program:rw")), "the server runs what is in"));
}

TEST_CASE_METHOD(Machine, "Allowed paths: nothing lies in what is writable") {
  fs::create_symlink(at("home/project"), at("link"));
  for (const std::string& below : {at("home/project/src"), at("link/src"), at("link")}) {
    const auto parsed = parse_allowed_paths({at("home/project:rw"), below}, forbidden);
    REQUIRE_FALSE(parsed.ok());
    CHECK(says(parsed.error().message, "code could put a link in its place"));
  }
  CHECK(parse_allowed_paths({at("home/project"), at("home/project/src:rw")}, forbidden).ok());
}

TEST_CASE_METHOD(Machine, "Allowed paths: a folder comes before what lies in it") {
  const auto parsed =
      parse_allowed_paths({at("home/project/src:rw"), at("home/project")}, forbidden);
  REQUIRE(parsed.ok());
  CHECK(parsed.value().at(0).inside == at("home/project"));
  CHECK(parsed.value().at(1).writable);
}

TEST_CASE_METHOD(Machine, "Allowed paths: there is a bound on their number") {
  const std::vector<std::string> many(limits::kMaximumAllowedPaths + 1, at("data"));
  const auto parsed = parse_allowed_paths(many, forbidden);
  REQUIRE_FALSE(parsed.ok());
  CHECK(parsed.error().code == ErrorCode::LimitReached);
}

TEST_CASE("Allowed paths: this server's own places are known") {
  const ForbiddenPlaces found = find_forbidden_places("/some/environment");
  CHECK(found.state.size() == 8);
  CHECK(found.programs.back() == "/some/environment");
  const auto parsed = parse_allowed_paths({found.programs.front() + ":rw"}, found);
  REQUIRE_FALSE(parsed.ok());
}

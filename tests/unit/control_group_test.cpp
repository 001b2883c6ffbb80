#include "base/control_group.h"

#include <filesystem>
#include <fstream>

#include "support/catch.h"

using namespace pyember;
namespace fs = std::filesystem;

namespace {

constexpr auto kMemory = ControlGroup::Controller::Memory;
constexpr auto kProcesses = ControlGroup::Controller::Processes;

// Folders as cgroupfs version 2 shows them.
struct Hierarchy {
  fs::path root = fs::temp_directory_path() / ("control-groups-" + std::to_string(getpid()));

  ~Hierarchy() { fs::remove_all(root); }
  void group(const std::string& path, const std::string& hands_down, const std::string& memory) {
    fs::create_directories(root / path);
    std::ofstream(root / path / "cgroup.subtree_control") << hands_down << "\n";
    if (!memory.empty()) std::ofstream(root / path / "memory.max") << memory << "\n";
  }
  std::string place(const std::string& own, ControlGroup::Controller controller) const {
    const std::string found = ControlGroup::place_above(root / own, root.string(), controller);
    if (found.empty()) return "nowhere";
    return "/" + fs::relative(found, root).string();
  }
};

}  // namespace

TEST_CASE("Control groups: in version 2 they are made where the controller is handed down") {
  Hierarchy groups;
  groups.group("", "cpu memory pids", "");
  groups.group("user", "memory pids", "max");
  groups.group("user/app", "memory", "max");
  groups.group("user/app/server", "", "max");
  CHECK(groups.place("user/app/server", kMemory) == "/user/app");
  CHECK(groups.place("user/app/server", kProcesses) == "/user");
  CHECK(groups.place("user/app", kMemory) == "/user/app");
}

TEST_CASE("Control groups: never outside of a limit, nor above what can be seen") {
  Hierarchy groups;
  groups.group("", "memory", "");
  groups.group("service", "", "1000000000");
  CHECK(groups.place("service", kMemory) == "nowhere");
  CHECK(groups.place("service", kProcesses) == "nowhere");
  groups.group("free", "", "max");
  CHECK(groups.place("free", kMemory) == "/.");
  CHECK(groups.place("free", kProcesses) == "nowhere");
}

#include "host/workspace/workspaces.h"

#include <sys/stat.h>

#include "base/sha256.h"
#include "support/catch.h"
#include "workspace_fixture.h"

using namespace pyember;
using namespace pyember::host;
using namespace std::chrono_literals;

namespace {

class Recorder final : public CellObserver {
 public:
  explicit Recorder(std::vector<std::string>& ended) : ended_(ended) {}
  void cell_ended(CellEnd end) override {
    ended_.push_back(end.session + " " + std::string(embed::to_string(end.outcome.status)));
  }

 private:
  std::vector<std::string>& ended_;
};

struct Server : WorkspaceFixture {
  std::vector<std::string> ended;

  void run(const std::string& principal, const std::string& session, const std::string& code) {
    REQUIRE(of(principal).registry().run(session, {code, 60s, false},
                                         std::make_unique<Recorder>(ended)));
  }
  bool all_ended(std::size_t count) {
    return until([&] { return ended.size() >= count; });
  }
};

}  // namespace

TEST_CASE("Workspaces: sessions of one name are different sessions for different principals") {
  Server server;
  server.run("alice", "main", "set hers");
  server.run("bob", "main", "set his");
  REQUIRE(server.all_ended(2));
  CHECK(server.of("alice").registry().find("main") != nullptr);
  CHECK(server.of("alice").registry().find("main") != server.of("bob").registry().find("main"));
  CHECK(server.runtime.sessions_opened == 2);
  CHECK(server.of("carol").registry().sessions().empty());
}

TEST_CASE("Workspaces: what a principal has on the disk lies apart, and is nobody else's to read") {
  Server server;
  const PrincipalPlaces& hers = server.of("alice").places();
  const PrincipalPlaces& his = server.of("bob").places();
  CHECK(hers.state == server.state.path() + "/principals/" + sha256_hex("alice").substr(0, 32));
  CHECK(hers.state != his.state);
  for (const std::string& each :
       {hers.jobs, hers.session_folders, hers.saved_tools, hers.project}) {
    CHECK(each.starts_with(hers.state + "/"));
  }
  struct stat status {};
  REQUIRE(stat(hers.state.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
}

TEST_CASE("Workspaces: a principal named like another's folder has its own") {
  Server server;
  const std::string key = server.of("alice").places().key;
  CHECK(server.of(key).places().key != key);
  CHECK(server.of("../alice").places().state.find("..") == std::string::npos);
}

TEST_CASE("Workspaces: the local one has the folders of every server") {
  Server server;
  CHECK(&server.of("") == &server.workspaces.local());
  CHECK(server.of("").places().key.empty());
  CHECK(server.of("").places().state == server.state.path());
  CHECK(server.of("").places().jobs == server.options.jobs_directory);
}

TEST_CASE("Workspaces: sessions that a dead server had are mourned where they belong") {
  Server server;
  const std::string alice = key_of_principal("alice");
  server.workspaces.expect({{"main", 7, alice}, {"other", 3, ""}}, Workspaces::After::Death);
  server.run("bob", "main", "print 1");
  server.run("alice", "main", "print 1");
  REQUIRE(server.all_ended(2));
  CHECK(server.of("bob").registry().find("main")->next_number() == 2);
  CHECK(server.of("alice").registry().find("main")->next_number() == 8);
  CHECK(server.workspaces.local().registry().tombstones().size() == 1);
}

TEST_CASE(
    "Workspaces: sessions of principals that have not come yet stay known to the next server") {
  Server server;
  server.workspaces.expect({{"main", 7, key_of_principal("alice")}}, Workspaces::After::Death);
  const std::vector<journal::KeptSession> kept =
      journal::SessionLog(server.memory.layout()).recover();
  REQUIRE(kept.size() == 1);
  CHECK(kept[0].owner == key_of_principal("alice"));
  CHECK(kept[0].next_number == 7);
}

TEST_CASE("Workspaces: one that was given up is made anew, and its cells were answered") {
  Server server;
  server.run("alice", "main", "sleep 60000");
  REQUIRE(server.of("alice").in_use());
  server.workspaces.give_up("alice");
  REQUIRE(server.all_ended(1));
  CHECK(server.ended[0] == "main lost");
  CHECK(server.workspaces.count() == 0);
  CHECK_FALSE(server.of("alice").in_use());
}

TEST_CASE("Workspaces: when memory is short, one session of all is stopped, a busy one") {
  Server server;
  server.run("alice", "idle", "print 1");
  REQUIRE(server.all_ended(1));
  server.run("bob", "busy", "sleep 60000");
  CHECK(server.workspaces.stop_largest("there is no memory left") == "busy");
  CHECK(server.of("alice").registry().sessions().size() == 1);
  CHECK(server.of("bob").registry().sessions().empty());
}

TEST_CASE("Workspaces: a refusal reaches those that are made later, too") {
  Server server;
  server.of("alice");
  server.workspaces.refuse("no Python today");
  for (const char* principal : {"alice", "bob"}) {
    const auto cell = server.of(principal).registry().run("main", {"print 1", 60s, false}, nullptr);
    REQUIRE_FALSE(cell);
    CHECK(cell.error().message == "no Python today");
  }
}

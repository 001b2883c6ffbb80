#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <vector>

#include "host/jobs/job_folders.h"
#include "host/jobs/job_store.h"
#include "host/jobs/sqlite.h"
#include "host/runs/process_identity.h"
#include "host/runs/run_files.h"
#include "job_fixture.h"

using namespace pyember;
using namespace pyember::host;

extern char** environ;

namespace {

// Another server on the same store, in a process of its own.
struct OtherServer {
  OtherServer(const std::string& directory, const std::vector<std::string>& scripts) {
    std::vector<std::string> words{PYEMBER_JOB_SERVER, directory};
    words.insert(words.end(), scripts.begin(), scripts.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    int out[2];
    REQUIRE(pipe2(out, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    REQUIRE(posix_spawn(&pid, PYEMBER_JOB_SERVER, &actions, nullptr, arguments.data(), environ) ==
            0);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    read_ids(out[0]);
    close(out[0]);
  }
  ~OtherServer() { die(); }

  void die() {
    if (pid == 0) return;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    pid = 0;
  }

  pid_t pid = 0;
  std::vector<std::string> ids;

 private:
  void read_ids(int fd) {
    std::string text;
    char piece[4096];
    while (!text.ends_with("ready\n")) {
      const ssize_t n = read(fd, piece, sizeof piece);
      if (n <= 0) break;
      text.append(piece, static_cast<std::size_t>(n));
    }
    REQUIRE(text.ends_with("ready\n"));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line) && line != "ready";) ids.push_back(line);
  }
};

struct Adoption : JobFixture {
  std::string directory() const { return folder.path + "/meta"; }
  std::string folder_of(const std::string& id) const { return directory() + "/jobs/" + id; }
};

}  // namespace

TEST_CASE("Adoption: a run goes on when its server is killed, and the next one follows it") {
  Adoption jobs;
  OtherServer other(jobs.directory(), {"echo one; sleep 1; echo two; exit 7"});
  const std::string id = other.ids.at(0);
  REQUIRE(jobs.until([&] { return text_of(jobs.folder_of(id) + "/stdout") == "one\n"; }));
  other.die();

  REQUIRE(jobs.registry->open().ok());
  CHECK(jobs.status(id) == JobStatus::Running);
  REQUIRE(jobs.ends(id));
  const Job job = *jobs.registry->find(id);
  CHECK(job.status == JobStatus::Completed);
  CHECK(job.end->exit_code == 7);
  CHECK(job.result["stdout"] == "one\ntwo\n");
  CHECK(job.details["script"] == "echo one; sleep 1; echo two; exit 7");
  CHECK(jobs.output(id) == "one\ntwo\n");
}

TEST_CASE("Adoption: a run that ended while no server ran has its outcome") {
  Adoption jobs;
  OtherServer other(jobs.directory(), {"sleep 0.3; echo late; exit 5"});
  other.die();
  const std::string id = other.ids.at(0);
  REQUIRE(jobs.until([&] { return read_exit(jobs.folder_of(id)).has_value(); }));
  REQUIRE(jobs.registry->open().ok());
  REQUIRE(jobs.ends(id));
  CHECK(jobs.status(id) == JobStatus::Completed);
  CHECK(jobs.registry->find(id)->end->exit_code == 5);
  CHECK(jobs.output(id) == "late\n");
}

TEST_CASE("Adoption: only a job whose process is really gone fails") {
  Adoption jobs;
  OtherServer other(jobs.directory(), {"echo x; exec sleep 1000", "sleep 1000"});
  const std::string killed = other.ids.at(0);
  REQUIRE(jobs.until([&] { return text_of(jobs.folder_of(killed) + "/stdout") == "x\n"; }));
  other.die();
  const auto record = read_runner(jobs.folder_of(killed));
  REQUIRE(record);
  kill_tree(record->runner);
  REQUIRE(jobs.until([&] { return !is_alive(record->runner); }));

  REQUIRE(jobs.registry->open().ok());
  REQUIRE(jobs.ends(killed));
  CHECK(jobs.status(killed) == JobStatus::Failed);
  CHECK(jobs.registry->find(killed)->error == "Server restarted while job was running");
  CHECK(jobs.output(killed) == "x\n");
  CHECK(jobs.status(other.ids.at(1)) == JobStatus::Running);
  REQUIRE(jobs.registry->cancel(other.ids.at(1)).ok());
  REQUIRE(jobs.ends(other.ids.at(1)));
  CHECK(jobs.registry->find(other.ids.at(1))->end->cancelled);
}

TEST_CASE("Adoption: pending jobs and cells of a dead server fail") {
  Adoption jobs;
  REQUIRE(JobFolders::make_directory(jobs.directory()).ok());
  std::string pending;
  std::string cell;
  {
    JobStore::Opened report;
    auto store = JobStore::open(jobs.directory(), report);
    REQUIRE(store.ok());
    StoredJob job;
    job.owner = {4'000'000, 1, "an earlier boot"};
    job.job.id = pending = "00000000-0000-4000-8000-000000000001";
    REQUIRE(store.value()->insert(job).ok());
    job.job.id = cell = "00000000-0000-4000-8000-000000000002";
    job.kind = JobKind::Work;
    job.job.status = JobStatus::Running;
    REQUIRE(store.value()->insert(job).ok());
  }
  REQUIRE(jobs.registry->open().ok());
  for (const std::string& id : {pending, cell}) {
    CHECK(jobs.status(id) == JobStatus::Failed);
    CHECK(jobs.registry->find(id)->error == "Server restarted while job was running");
  }
}

TEST_CASE("Adoption: a run whose server died before it could say that it runs is found") {
  Adoption jobs;
  OtherServer other(jobs.directory(), {"echo here; exec sleep 1000"});
  const std::string id = other.ids.at(0);
  REQUIRE(jobs.until([&] { return text_of(jobs.folder_of(id) + "/stdout") == "here\n"; }));
  other.die();
  {
    auto database = Database::open(jobs.directory() + "/jobs.db", 1000);
    REQUIRE(database.ok());
    REQUIRE(database.value()->execute("UPDATE jobs SET status='pending', started_at=0").ok());
  }
  REQUIRE(jobs.registry->open().ok());
  CHECK(jobs.status(id) == JobStatus::Running);
  CHECK(jobs.registry->list({JobStatus::Running, 50}).total == 1);
  CHECK(jobs.registry->find(id)->started_at > 0);
  REQUIRE(jobs.registry->cancel(id).ok());
  REQUIRE(jobs.ends(id));
  CHECK(jobs.registry->find(id)->end->cancelled);
}

TEST_CASE("Adoption: a run whose server died before its runner was there fails", "[slow]") {
  Adoption jobs;
  REQUIRE(JobFolders::make_directory(jobs.directory()).ok());
  StoredJob job;
  job.owner = {4'000'000, 1, "an earlier boot"};
  job.kind = JobKind::Run;
  job.job.id = "00000000-0000-4000-8000-000000000003";
  {
    JobStore::Opened report;
    auto store = JobStore::open(jobs.directory(), report);
    REQUIRE(store.ok());
    REQUIRE(store.value()->insert(job).ok());
  }
  REQUIRE(jobs.registry->open().ok());
  CHECK(jobs.status(job.job.id) == JobStatus::Pending);  // its runner may still come
  REQUIRE(jobs.ends(job.job.id));
  CHECK(jobs.status(job.job.id) == JobStatus::Failed);
  CHECK(jobs.registry->find(job.job.id)->error == "Server restarted while job was running");
}

TEST_CASE("Adoption: two servers on one store leave each other's jobs alone") {
  Adoption jobs;
  OtherServer other(jobs.directory(), {"echo theirs; exec sleep 1000"});
  const std::string theirs = other.ids.at(0);
  const std::string ours = jobs.run("echo ours; exec sleep 1000");
  CHECK(jobs.registry->list({}).total == 2);
  CHECK(jobs.status(theirs) == JobStatus::Running);
  REQUIRE(jobs.until([&] { return jobs.output(theirs) == "theirs\n"; }));

  // Their run can be asked to end; their server says that it did, and ours hears of it.
  REQUIRE(jobs.registry->cancel(theirs).ok());
  REQUIRE(jobs.ends(theirs));
  CHECK(jobs.status(theirs) == JobStatus::Cancelled);
  CHECK(jobs.status(ours) == JobStatus::Running);
  REQUIRE(jobs.registry->cancel(ours).ok());
  REQUIRE(jobs.ends(ours));
}

TEST_CASE("Adoption: a server beside us may die at any time; its jobs become ours") {
  Adoption jobs;
  OtherServer other(jobs.directory(), {"exec sleep 1000"});
  const std::string id = other.ids.at(0);
  REQUIRE(jobs.registry->open().ok());
  other.die();
  const auto adopted = [&] {
    JobStore::Opened report;
    auto store = JobStore::open(jobs.directory(), report);
    return store.ok() && store.value()->find(id)->owner == own_identity();
  };
  REQUIRE(jobs.until(adopted));
  REQUIRE(jobs.registry->cancel(id).ok());
  REQUIRE(jobs.ends(id));
  CHECK(jobs.registry->find(id)->end->cancelled);
}

TEST_CASE("Adoption: a server killed again and again loses nothing of twenty jobs", "[slow]") {
  Adoption jobs;
  std::vector<std::string> scripts;
  for (int i = 0; i < 20; ++i) {
    scripts.push_back("for k in 1 2 3 4 5 6; do echo $k; sleep 0.2; done; exit " +
                      std::to_string(i));
  }
  std::vector<std::string> ids;
  {
    OtherServer first(jobs.directory(), scripts);
    ids = first.ids;
  }
  for (int i = 0; i < 8; ++i) OtherServer again(jobs.directory(), {});
  REQUIRE(ids.size() == 20);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    INFO(ids[i]);
    REQUIRE(jobs.ends(ids[i]));
    const Job job = *jobs.registry->find(ids[i]);
    CHECK(job.status == JobStatus::Completed);
    CHECK(job.end->exit_code == static_cast<int>(i));
    CHECK(jobs.output(ids[i]) == "1\n2\n3\n4\n5\n6\n");
  }
}

#include <signal.h>

#include <set>

#include "base/iso_time.h"
#include "base/limits.h"
#include "host/jobs/job_id.h"
#include "host/runs/process_identity.h"
#include "host/runs/run_files.h"
#include "job_fixture.h"

using namespace pyember;
using namespace pyember::host;

TEST_CASE("Jobs: a run goes from pending to completed, with its output and its exit code") {
  JobFixture jobs;
  const std::string id = jobs.create();
  CHECK(is_job_id(id));
  CHECK(jobs.status(id) == JobStatus::Pending);
  REQUIRE(jobs.launch(id, shell_run("echo out; echo err >&2; exit 3")).ok());
  CHECK(jobs.status(id) == JobStatus::Running);
  REQUIRE(jobs.ends(id));

  const Job job = *jobs.registry->find(id);
  CHECK(job.status == JobStatus::Completed);
  CHECK(job.label == "run_script_in_dir");
  REQUIRE(job.end);
  CHECK(job.end->exit_code == 3);
  CHECK(job.result == mcp::Json{{"exit_code", 3}, {"stdout", "out\n"}});
  CHECK(job.completed_at >= job.started_at);
  CHECK(job.pid > 0);
  CHECK(jobs.output(id) == "out\n");
  CHECK(jobs.output(id, Stream::Stderr) == "err\n");
}

TEST_CASE("Jobs: the child gets its environment and nothing of the server's") {
  JobFixture jobs;
  setenv("PYEMBER_TEST_SECRET", "server", 1);
  RunSpec spec = shell_run("echo ${PYEMBER_TEST_SECRET-none} $GIVEN; ls /proc/self/fd | wc -l");
  spec.environment["GIVEN"] = "value";
  const std::string id = jobs.create();
  REQUIRE(jobs.launch(id, spec).ok());
  REQUIRE(jobs.ends(id));
  unsetenv("PYEMBER_TEST_SECRET");
  CHECK(jobs.output(id) == "none value\n4\n");  // 0, 1, 2 and ls's own
}

TEST_CASE("Jobs: the values of the environment are in no file of the store") {
  JobFixture jobs;
  RunSpec spec = shell_run("sleep 0.5");
  spec.environment["TOKEN"] = "extremely-secret";
  const std::string id = jobs.create();
  REQUIRE(jobs.launch(id, spec).ok());
  REQUIRE(jobs.ends(id));
  jobs.registry->flush();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(jobs.folder.path)) {
    if (!entry.is_regular_file()) continue;
    INFO(entry.path());
    CHECK(text_of(entry.path()).find("extremely-secret") == std::string::npos);
  }
}

TEST_CASE("Jobs: output can be read while the run goes on, from any byte") {
  JobFixture jobs;
  const std::string id = jobs.run("printf abcdef; sleep 30");
  REQUIRE(jobs.until([&] { return jobs.registry->output(id)->size(Stream::Stdout) == 6; }));
  CHECK(jobs.registry->output(id)->read(Stream::Stdout, 2, 3) == "cde");
  CHECK(jobs.registry->output(id)->read(Stream::Stdout, 6, 3).empty());
  REQUIRE(jobs.registry->cancel(id).ok());
  REQUIRE(jobs.ends(id));
}

TEST_CASE("Jobs: cancel shows at once and ends the whole tree") {
  JobFixture jobs;
  const std::string id = jobs.run("sleep 1000 & echo $!; wait");
  REQUIRE(jobs.until([&] { return jobs.output(id).ends_with('\n'); }));
  const pid_t grandchild = std::stoi(jobs.output(id));
  REQUIRE(jobs.registry->cancel(id).ok());
  CHECK(jobs.status(id) == JobStatus::Cancelled);
  const Result<void> again = jobs.registry->cancel(id);
  REQUIRE_FALSE(again.ok());
  CHECK(again.error().code == ErrorCode::InvalidArgument);
  REQUIRE(jobs.ends(id));
  CHECK_FALSE(is_alive(identity_of(grandchild)));
  const Job job = *jobs.registry->find(id);
  CHECK(job.status == JobStatus::Cancelled);
  CHECK(job.end->cancelled);
}

TEST_CASE("Jobs: a pending job that is cancelled is over; an unknown one is not found") {
  JobFixture jobs;
  const std::string id = jobs.create();
  REQUIRE(jobs.registry->cancel(id).ok());
  REQUIRE(jobs.ends(id));
  CHECK(jobs.status(id) == JobStatus::Cancelled);
  CHECK_FALSE(jobs.launch(id, shell_run("true")).ok());
  const Result<void> unknown = jobs.registry->cancel("no-such-job");
  REQUIRE_FALSE(unknown.ok());
  CHECK(unknown.error().code == ErrorCode::NotFound);
  CHECK(jobs.registry->output("no-such-job") == nullptr);
}

TEST_CASE("Jobs: a run is pending until its runner runs") {
  JobFixture jobs;
  const std::string id = jobs.create();
  bool told = false;
  jobs.registry->launch(id, shell_run("sleep 1000"), [&](const Result<void>& outcome) {
    told = true;
    CHECK(outcome.ok());
    CHECK(jobs.status(id) == JobStatus::Running);
    CHECK(jobs.registry->list({JobStatus::Running, 50}).total == 1);
  });
  CHECK(jobs.status(id) == JobStatus::Pending);
  CHECK(jobs.registry->list({JobStatus::Running, 50}).total == 0);
  jobs.registry->finish(id, JobStatus::Failed, nullptr, "not now");
  CHECK(jobs.status(id) == JobStatus::Pending);
  REQUIRE(jobs.until([&] { return told; }));
  CHECK(jobs.registry->find(id)->started_at > 0);
  REQUIRE(jobs.registry->cancel(id).ok());
  REQUIRE(jobs.ends(id));
}

TEST_CASE("Jobs: a run that is cancelled while its runner is being started is ended") {
  JobFixture jobs;
  const std::string id = jobs.create();
  bool told = false;
  jobs.registry->launch(id, shell_run("sleep 1000"), [&](const Result<void>&) { told = true; });
  REQUIRE(jobs.registry->cancel(id).ok());
  CHECK(jobs.status(id) == JobStatus::Cancelled);
  CHECK_FALSE(jobs.registry->cancel(id).ok());
  CHECK(jobs.registry->remove({id}) == 0);
  REQUIRE(jobs.ends(id));
  CHECK(told);
  CHECK(jobs.status(id) == JobStatus::Cancelled);
  const std::string folder = jobs.folder.path + "/meta/jobs/" + id;
  CHECK_FALSE(runner_holds_lock(folder));
  if (const auto record = read_runner(folder)) CHECK_FALSE(is_alive(record->runner));
}

TEST_CASE("Jobs: runs start one after the other; what is cancelled before its turn never does") {
  JobFixture jobs;
  std::vector<std::string> ids;
  std::vector<std::size_t> started;
  std::vector<std::size_t> refused;
  for (std::size_t i = 0; i < 6; ++i) {
    ids.push_back(jobs.create());
    jobs.registry->launch(ids[i], shell_run("sleep 1000"), [&, i](const Result<void>& outcome) {
      (outcome ? started : refused).push_back(i);
    });
  }
  REQUIRE(jobs.registry->cancel(ids[3]).ok());
  REQUIRE(jobs.until([&] { return started.size() + refused.size() == 6; }));
  CHECK(started == std::vector<std::size_t>{0, 1, 2, 4, 5});
  CHECK(refused == std::vector<std::size_t>{3});
  CHECK(jobs.status(ids[3]) == JobStatus::Cancelled);
  CHECK_FALSE(std::filesystem::exists(jobs.folder.path + "/meta/jobs/" + ids[3]));
  for (const std::size_t i : started) {
    REQUIRE(jobs.registry->cancel(ids[i]).ok());
    REQUIRE(jobs.ends(ids[i]));
  }
}

TEST_CASE("Jobs: a run that is being started when its registry is destroyed goes on by itself") {
  JobFixture jobs;
  const std::string id = jobs.create();
  bool told = false;
  jobs.registry->launch(id, shell_run("exit 6"), [&](const Result<void>&) { told = true; });
  jobs.registry.reset();
  const std::string folder = jobs.folder.path + "/meta/jobs/" + id;
  REQUIRE(jobs.until([&] { return read_exit(folder).has_value(); }));
  CHECK(read_exit(folder)->exit_code == 6);
  CHECK_FALSE(told);
}

TEST_CASE("Jobs: a timeout is a result, with what was printed before") {
  JobFixture jobs;
  RunSpec spec = shell_run("echo before; sleep 1000");
  spec.timeout = std::chrono::milliseconds(300);
  const std::string id = jobs.create();
  REQUIRE(jobs.launch(id, spec).ok());
  REQUIRE(jobs.ends(id));
  const Job job = *jobs.registry->find(id);
  CHECK(job.status == JobStatus::Completed);
  CHECK(job.end->timed_out);
  CHECK(job.end->exit_code == -SIGTERM);
  CHECK(jobs.output(id) == "before\n");
  CHECK(jobs.output(id, Stream::Stderr) == "[TIMEOUT]\n");
}

TEST_CASE("Jobs: a program that can't be started fails its job and says why") {
  JobFixture jobs;
  RunSpec spec = shell_run("");
  spec.command = {"/nowhere/python3", "x.py"};
  const std::string id = jobs.create();
  REQUIRE(jobs.launch(id, spec).ok());
  REQUIRE(jobs.ends(id));
  const Job job = *jobs.registry->find(id);
  CHECK(job.status == JobStatus::Failed);
  CHECK(job.end->error_kind == "not_found");
  CHECK(job.error.find("/nowhere/python3") != std::string::npos);
}

TEST_CASE("Jobs: a missing runner fails the job and is told to the caller") {
  JobFixture jobs;
  jobs.registry = std::make_unique<JobRegistry>(
      jobs.loop, JobRegistry::Settings{jobs.folder.path + "/meta", "/nowhere/pyember-runner"});
  const std::string id = jobs.create();
  const Result<void> launched = jobs.launch(id, shell_run("true"));
  REQUIRE_FALSE(launched.ok());
  CHECK(launched.error().code == ErrorCode::Unavailable);
  CHECK(jobs.status(id) == JobStatus::Failed);
  CHECK(jobs.ends(id));
}

TEST_CASE("Jobs: a run whose runner is killed is lost, and nothing of it lives on") {
  JobFixture jobs;
  const std::string id = jobs.run("echo $$; exec sleep 1000");
  REQUIRE(jobs.until([&] { return jobs.output(id).ends_with('\n'); }));
  const ProcessIdentity child = identity_of(std::stoi(jobs.output(id)));
  const auto record = read_runner(jobs.folder.path + "/meta/jobs/" + id);
  REQUIRE(record);
  kill_tree(record->runner);
  REQUIRE(jobs.ends(id));
  const Job job = *jobs.registry->find(id);
  CHECK(job.status == JobStatus::Failed);
  CHECK(job.end->error_kind == "lost");
  CHECK(jobs.until([&] { return !is_alive(child); }));
}

TEST_CASE("Jobs: what is left of a runner that is killed ends the run and records it") {
  JobFixture jobs;
  const std::string id = jobs.run("echo $$; exec sleep 1000");
  REQUIRE(jobs.until([&] { return jobs.output(id).ends_with('\n'); }));
  const ProcessIdentity child = identity_of(std::stoi(jobs.output(id)));
  const std::string folder = jobs.folder.path + "/meta/jobs/" + id;
  const auto record = read_runner(folder);
  REQUIRE(record);
  REQUIRE(signal_process(record->runner, SIGKILL));
  REQUIRE(jobs.ends(id));
  CHECK_FALSE(runner_holds_lock(folder));
  CHECK(read_exit(folder));
  CHECK(jobs.registry->find(id)->is_over());
  CHECK(jobs.registry->find(id)->end->exit_code == -SIGTERM);
  CHECK(jobs.until([&] { return !is_alive(child); }));
}

TEST_CASE("Jobs: lists are newest first, filtered, and count what the limit left out") {
  JobFixture jobs;
  const std::string first = jobs.create();
  const std::string second = jobs.create();
  const std::string third = jobs.create();
  jobs.registry->finish(second, JobStatus::Completed, {{"answer", 42}}, "");
  const JobPage all = jobs.registry->list({});
  REQUIRE(all.jobs.size() == 3);
  CHECK(all.jobs[0].id == third);
  CHECK(all.jobs[2].id == first);
  const JobPage page = jobs.registry->list({JobStatus::Pending, 1});
  CHECK(page.jobs.size() == 1);
  CHECK(page.total == 2);
  const JobPage completed = jobs.registry->list({JobStatus::Completed, 50});
  REQUIRE(completed.jobs.size() == 1);
  CHECK(completed.jobs[0].result == mcp::Json{{"answer", 42}});
}

TEST_CASE("Jobs: prune takes those that are over, of the kinds and the age that were named") {
  JobFixture jobs;
  const std::string running = jobs.run("sleep 1000");
  const std::string done = jobs.run("true");
  const std::string failed = jobs.create();
  REQUIRE(jobs.ends(done));
  jobs.registry->finish(failed, JobStatus::Failed, nullptr, "because");
  const std::vector<JobStatus> kinds{JobStatus::Completed, JobStatus::Running};
  CHECK(jobs.registry->prune(kinds, 1) == 0);  // nothing is that old
  CHECK(jobs.registry->prune(kinds, unix_now() + 1) == 1);
  CHECK_FALSE(jobs.registry->find(done));
  CHECK_FALSE(std::filesystem::exists(jobs.folder.path + "/meta/jobs/" + done));
  CHECK(jobs.registry->find(failed));
  CHECK(jobs.registry->remove({running}) == 0);
  REQUIRE(jobs.registry->cancel(running).ok());
  REQUIRE(jobs.ends(running));
  CHECK(jobs.registry->remove({running, failed}) == 2);
  CHECK(jobs.registry->list({}).total == 0);
}

TEST_CASE("Jobs: watchers are told in a later turn, once, and not after unwatch") {
  JobFixture jobs;
  const std::string id = jobs.create();
  int told = 0;
  jobs.registry->watch_end(id, [&](const Job& job) {
    CHECK(job.status == JobStatus::Completed);
    ++told;
  });
  const std::uint64_t other = jobs.registry->watch_end(id, [&](const Job&) { told += 100; });
  jobs.registry->unwatch(other);
  jobs.registry->finish(id, JobStatus::Completed, nullptr, "");
  CHECK(told == 0);
  REQUIRE(jobs.until([&] { return told > 0; }));
  jobs.registry->finish(id, JobStatus::Failed, nullptr, "too late");
  REQUIRE(jobs.ends(id));
  CHECK(told == 1);
  CHECK(jobs.status(id) == JobStatus::Completed);
}

TEST_CASE("Jobs: listeners hear of more output, of the jobs they want to hear of") {
  JobFixture jobs;
  std::set<std::string> heard;
  std::string wanted;
  jobs.registry->on_output([&](const std::string& id) { heard.insert(id); },
                           [&](const std::string& id) { return id == wanted; });
  const std::string quiet = jobs.run("echo x; sleep 1000");
  wanted = jobs.run("echo y; sleep 1000");
  REQUIRE(jobs.until([&] { return heard.contains(wanted); }));
  CHECK_FALSE(heard.contains(quiet));
  for (const std::string& id : {quiet, wanted}) {
    REQUIRE(jobs.registry->cancel(id).ok());
    REQUIRE(jobs.ends(id));
  }
}

TEST_CASE("Jobs: work other than a run is a job, and its output stays readable") {
  struct Work final : JobWork {
    struct Output final : JobOutput {
      std::uint64_t size(Stream stream) const override { return stream == Stream::Stdout ? 4 : 0; }
      std::string read(Stream, std::uint64_t offset, std::size_t limit) const override {
        return std::string("work").substr(offset, limit);
      }
    };
    explicit Work(JobFixture& fixture, std::string job) : jobs(fixture), id(std::move(job)) {}
    void cancel() override {
      jobs.registry->finish(id, JobStatus::Failed, {{"status", "interrupted"}}, "");
    }
    std::unique_ptr<JobOutput> output() const override { return std::make_unique<Output>(); }
    JobFixture& jobs;
    const std::string id;
  };
  JobFixture jobs;
  const std::string id = jobs.create("run_python");
  jobs.registry->attach(id, std::make_unique<Work>(jobs, id));
  CHECK(jobs.status(id) == JobStatus::Running);
  CHECK(jobs.output(id) == "work");
  REQUIRE(jobs.registry->cancel(id).ok());
  REQUIRE(jobs.ends(id));
  CHECK(jobs.status(id) == JobStatus::Cancelled);
  CHECK(jobs.output(id) == "work");
  CHECK(text_of(jobs.folder.path + "/meta/jobs/" + id + "/stdout") == "work");
}

TEST_CASE("Jobs: a long text of a result is bounded in the store, not for who waits for it") {
  JobFixture jobs;
  const std::string id = jobs.create();
  const std::string long_text(limits::kJobResultTextBytes * 3, 'x');
  std::size_t told = 0;
  jobs.registry->watch_end(
      id, [&](const Job& job) { told = job.result["stdout"].get<std::string>().size(); });
  jobs.registry->finish(id, JobStatus::Completed, {{"stdout", long_text}}, "");
  REQUIRE(jobs.until([&] { return told > 0; }));
  CHECK(told == long_text.size());
  const std::string kept = jobs.registry->find(id)->result["stdout"].get<std::string>();
  CHECK(kept.size() < limits::kJobResultTextBytes + 200);
  CHECK(kept.find("bytes left out here") != std::string::npos);
}

TEST_CASE("Jobs: a store that can't be made refuses every call with a reason") {
  JobFixture jobs;
  write_text(jobs.folder.path + "/meta", "a file where the folder should be");
  const Result<std::string> id = jobs.registry->create("tool", "", nullptr);
  REQUIRE_FALSE(id.ok());
  CHECK(id.error().message.find("PYTHON_MCP_META") != std::string::npos);
  CHECK_FALSE(jobs.registry->find("x"));
  CHECK(jobs.registry->list({}).total == 0);
}

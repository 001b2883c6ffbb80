#include "host/tasks/kept_tasks.h"

#include <sys/wait.h>

#include <utility>
#include <vector>

#include "base/iso_time.h"
#include "base/limits.h"
#include "base/random_hex.h"
#include "job_fixture.h"

using namespace pyember;
using namespace pyember::host;

namespace {

constexpr std::int64_t kMinute = 60'000;
constexpr std::int64_t kTtl = std::chrono::milliseconds(limits::kTaskTtl).count();

// A process that has ended, and was waited for.
ProcessIdentity somebody_dead() {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  ProcessIdentity identity = identity_of(pid);
  waitpid(pid, nullptr, 0);
  return identity;
}

struct Tasks : JobFixture {
  // The files' times are the real ones.
  std::int64_t now = static_cast<std::int64_t>(unix_now() * 1000);
  std::vector<std::pair<std::string, std::shared_ptr<mcp::ToolCall>>> going_on;
  KeptTasks tasks{folder.path + "/meta", *registry, [this] { return now; },
                  [this](const Job& job, std::shared_ptr<mcp::ToolCall> call) {
                    going_on.emplace_back(job.id, std::move(call));
                  }};

  mcp::TaskRecord record(const std::string& work = "") const {
    mcp::TaskRecord record;
    record.id = random_hex(16);
    record.tool = "run_python";
    record.created_ms = now - 5;
    record.updated_ms = now;
    record.lasting_work = work;
    return record;
  }
  std::string path(const std::string& id) const {
    return folder.path + "/meta/tasks/" + id + ".json";
  }
  bool exists(const std::string& id) const { return std::filesystem::exists(path(id)); }
  // As a server that is gone has left it.
  void leave(const mcp::TaskRecord& record) {
    tasks.keep(record);
    write_text(path(record.id), mcp::to_json_text(to_json(StoredTask{record, somebody_dead()})));
  }
};

struct Answered : mcp::ToolCallSink {
  void call_progress(double, std::optional<double>, std::string_view) override {}
  void call_log(mcp::LogLevel, std::string_view, const mcp::Json&) override {}
  void call_completed(mcp::ToolResult) override {}
  void call_failed(mcp::RpcError error) override { failure = error.message; }
  std::string failure;
};

}  // namespace

TEST_CASE("Kept tasks: a record is read as it was written, whatever its outcome") {
  mcp::ToolResult result = mcp::tool_result("text", {{"n", 1}});
  result.is_error = true;
  result.meta = {{"m", 2}};
  StoredTask stored;
  stored.task = {"id", "tool", 1, 2, "message", "work", result};
  stored.server = own_identity();
  const auto again = [&stored] { return stored_task_from(to_json(stored)); };
  REQUIRE(again());
  CHECK(again()->server == stored.server);
  CHECK(again()->task.lasting_work == "work");
  CHECK(to_json(*again()) == to_json(stored));
  stored.task.outcome = mcp::RpcError{mcp::RpcCode::InternalError, "why", {{"n", 1}}};
  CHECK(std::get<mcp::RpcError>(*again()->task.outcome).code == mcp::RpcCode::InternalError);
  CHECK(to_json(*again()) == to_json(stored));
  stored.task.outcome = mcp::TaskCancelled();
  CHECK(to_json(*again()) == to_json(stored));
  stored.task.outcome.reset();
  CHECK_FALSE(again()->task.outcome);
  for (const char* bad : {"1", "[]", "{}", R"({"id":7,"created_ms":1})", R"({"id":"a"})",
                          R"({"id":"a","created_ms":"1"})"}) {
    CAPTURE(bad);
    CHECK_FALSE(stored_task_from(mcp::Json::parse(bad)));
  }
}

TEST_CASE("Kept tasks: nothing is made before there is one, and nobody else may read it") {
  Tasks world;
  CHECK_FALSE(world.tasks.find(std::string(32, '0')));
  world.tasks.tidy();
  CHECK_FALSE(std::filesystem::exists(world.folder.path + "/meta"));
  const mcp::TaskRecord record = world.record("job");
  world.tasks.keep(record);
  struct stat status {};
  REQUIRE(stat(world.path(record.id).c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  REQUIRE(stat((world.folder.path + "/meta/tasks").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  world.tasks.forget(record.id);
  CHECK_FALSE(world.exists(record.id));
}

TEST_CASE("Kept tasks: only ids are looked for, and only in their own files") {
  Tasks world;
  const mcp::TaskRecord record = world.record("job");
  world.tasks.keep(record);
  write_text(world.folder.path + "/meta/secret.json", text_of(world.path(record.id)));
  for (const std::string& id :
       {std::string("../secret"), std::string(), record.id.substr(1), record.id + "0",
        std::string(32, 'A'), std::string(31, '0') + "/", std::string(32, '.')}) {
    CAPTURE(id);
    CHECK_FALSE(world.tasks.find(id));
    world.tasks.forget(id);
  }
  const std::string other(32, 'a');
  std::filesystem::copy(world.path(record.id), world.path(other));
  CHECK_FALSE(world.tasks.find(other));
  write_text(world.path(other), "half of a rec");
  CHECK_FALSE(world.tasks.find(other));
  CHECK(world.tasks.find(record.id));
}

TEST_CASE("Kept tasks: one that only its dead server knew has failed, from when that is seen on") {
  Tasks world;
  const mcp::TaskRecord record = world.record();
  world.leave(record);
  world.now += 1000;
  const auto found = world.tasks.find(record.id);
  REQUIRE(found);
  REQUIRE(found->outcome);
  const auto& error = std::get<mcp::RpcError>(*found->outcome);
  CHECK(error.message.find("run_python") != std::string::npos);
  CHECK(found->updated_ms == world.now);
  world.now += 1000;
  CHECK(world.tasks.find(record.id)->updated_ms == found->updated_ms);
}

TEST_CASE("Kept tasks: one that another living server holds alone is that server's") {
  Tasks world;
  const mcp::TaskRecord record = world.record();
  world.tasks.keep(record);
  const pid_t other = fork();
  if (other == 0) pause();
  write_text(world.path(record.id),
             mcp::to_json_text(to_json(StoredTask{record, identity_of(other)})));
  CHECK_FALSE(world.tasks.find(record.id));
  world.now += 10 * kTtl;
  world.tasks.tidy();
  CHECK(world.exists(record.id));
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  CHECK(world.tasks.find(record.id)->outcome);
}

TEST_CASE("Kept tasks: one with a job goes on with it, and fails when that is gone") {
  Tasks world;
  const std::string job = world.run("sleep 600");
  const mcp::TaskRecord record = world.record(job);
  world.leave(record);
  const auto found = world.tasks.find(record.id);
  REQUIRE(found);
  CHECK_FALSE(found->outcome);
  Answered sink;
  world.tasks.go_on(
      *found, std::make_shared<mcp::ToolCall>(mcp::Json::object(), mcp::ToolCall::Options{}, sink));
  REQUIRE(world.going_on.size() == 1);
  CHECK(world.going_on[0].first == job);
  world.going_on.clear();
  world.tasks.go_on(
      world.record("no job"),
      std::make_shared<mcp::ToolCall>(mcp::Json::object(), mcp::ToolCall::Options{}, sink));
  CHECK(sink.failure.find("no job") != std::string::npos);
  REQUIRE(world.registry->cancel(job).ok());
  CHECK(world.ends(job));
}

TEST_CASE("Kept tasks: a result that is too large is not kept, which is told") {
  Tasks world;
  mcp::TaskRecord record = world.record();
  record.outcome = mcp::tool_result(std::string(limits::kTaskRecordBytes + 1, 'x'), nullptr);
  world.tasks.keep(record);
  const auto found = world.tasks.find(record.id);
  REQUIRE(found);
  CHECK(std::get<mcp::RpcError>(*found->outcome).message.find("bytes") != std::string::npos);
  record.lasting_work = "job";  // whose output has it
  world.tasks.keep(record);
  CHECK_FALSE(world.tasks.find(record.id)->outcome);
}

TEST_CASE("Kept tasks: what dead servers left goes when its time is over, and not before") {
  Tasks world;
  mcp::TaskRecord over = world.record();
  over.outcome = mcp::TaskCancelled();
  world.leave(over);
  const mcp::TaskRecord lost = world.record();
  world.leave(lost);
  const mcp::TaskRecord gone = world.record("no job");
  world.leave(gone);
  const std::string job = world.run("sleep 600");
  const mcp::TaskRecord runs = world.record(job);
  world.leave(runs);
  const std::string half = world.path(lost.id) + ".1.1.tmp";
  write_text(half, "{");
  write_text(world.folder.path + "/meta/tasks/notes", "somebody else's");

  world.now += kTtl - kMinute;
  world.tasks.tidy();
  for (const std::string& id : {over.id, lost.id, gone.id, runs.id}) CHECK(world.exists(id));
  world.now += 2 * kMinute;
  world.tasks.tidy();
  CHECK_FALSE(std::filesystem::exists(half));
  CHECK_FALSE(world.exists(over.id));
  CHECK_FALSE(world.exists(gone.id));
  CHECK(world.exists(lost.id));  // it failed when that was seen
  CHECK(world.exists(runs.id));
  CHECK(std::filesystem::exists(world.folder.path + "/meta/tasks/notes"));
  world.now += 100 * kTtl;
  world.tasks.tidy();
  CHECK_FALSE(world.exists(lost.id));
  CHECK(world.exists(runs.id));

  REQUIRE(world.registry->cancel(job).ok());
  REQUIRE(world.ends(job));
  world.now = static_cast<std::int64_t>(world.registry->find(job)->completed_at * 1000) + kTtl - 1;
  CHECK(world.tasks.find(runs.id));
  world.now += kMinute;
  world.tasks.tidy();
  CHECK_FALSE(world.exists(runs.id));
  world.leave(runs);
  CHECK_FALSE(world.tasks.find(runs.id));
  CHECK_FALSE(world.exists(runs.id));
}

#include "host/http/gate/scopes.h"

#include "base/limits.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

TEST_CASE("may_call: each scope lets its tools be called, and no others", "[gate]") {
  CHECK(may_call({"tools:*"}, "run_python"));
  CHECK(may_call({"tools:*"}, "whatever_comes"));
  CHECK(may_call({"sessions"}, "run_python"));
  CHECK(may_call({"sessions"}, "close_session"));
  CHECK_FALSE(may_call({"sessions"}, "run_script_in_dir"));
  CHECK(may_call({"scripts"}, "run_script_in_dir"));
  CHECK(may_call({"scripts"}, "benchmark_script"));
  CHECK_FALSE(may_call({"scripts"}, "run_python"));
  CHECK(may_call({"code"}, "run_python"));
  CHECK_FALSE(may_call({"code"}, "list_sessions"));
  CHECK(may_call({"tool:kill_job"}, "kill_job"));
  CHECK_FALSE(may_call({"tool:kill_job"}, "kill_jobs"));
  CHECK(may_call({"code", "tool:kill_job"}, "kill_job"));
}

TEST_CASE("may_call: what is no scope of ours lets nothing be called", "[gate]") {
  for (const char* scope :
       {"", "tools:", "tools", "*", "tool:", "tool:*", "TOOLS:*", "openid", "sessions "}) {
    INFO(scope);
    CHECK_FALSE(may_call({scope}, "run_python"));
  }
  CHECK_FALSE(may_call({}, "run_python"));
}

TEST_CASE("scope_for: the smallest scope that is offered", "[gate]") {
  CHECK(scope_for("run_python") == "code");
  CHECK(scope_for("undo_session") == "sessions");
  CHECK(scope_for("py_job_status") == "scripts");
  CHECK(scope_for("something_new") == "tools:*");
  for (const char* tool : {"run_python", "undo_session", "py_job_status", "something_new"}) {
    CHECK(may_call({scope_for(tool)}, tool));
  }
}

TEST_CASE("is_scope: those that are offered and those of single tools", "[gate]") {
  for (const std::string& each : offered_scopes()) CHECK(is_scope(each));
  CHECK(is_scope("tool:run_python"));
  for (const std::string& none :
       {std::string("tool:"), std::string("tool:a b"), std::string("tool:\""), std::string("admin"),
        "tool:" + std::string(200, 'a')}) {
    CHECK_FALSE(is_scope(none));
  }
}

TEST_CASE("metrics is a scope by itself: no other shows them, and it lets nothing be called",
          "[gate]") {
  CHECK(is_scope("metrics"));
  CHECK(may_see_metrics({"code", "metrics"}));
  CHECK_FALSE(may_see_metrics({"tools:*", "sessions", "scripts", "code", "tool:metrics"}));
  CHECK_FALSE(may_see_metrics({}));
  CHECK_FALSE(may_call({"metrics"}, "run_python"));
  CHECK_FALSE(may_call({"metrics"}, "metrics"));
}

TEST_CASE("split_scopes: words, each once, and bounded", "[gate]") {
  CHECK(split_scopes("  code  sessions code ") == std::vector<std::string>{"code", "sessions"});
  CHECK(split_scopes("").empty());
  std::string many;
  for (int i = 0; i < 1000; ++i) many += std::to_string(i) + " ";
  CHECK(split_scopes(many).size() == limits::kAccessScopes);
  CHECK(split_scopes(std::string(limits::kAccessScopeBytes + 1, 'a')).empty());
}

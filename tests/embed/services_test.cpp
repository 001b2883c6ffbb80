// The server's own Python with a real interpreter: what mcp_services answers, and that nothing of a
// call stays behind. The functions themselves are tested in tests/services, without a server.
#include "host/services/python_services.h"

#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>

#include "../host/loop_fixture.h"
#include "session_driver.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;
using namespace std::chrono_literals;
using mcp::Json;

namespace {

// One for the process, as in the server: sessions' threads keep its descriptor in their tables.
// Made before the runtime, and never closed.
LoopFixture& turn() {
  static auto* const fixture = new LoopFixture;
  return *fixture;
}

struct Services {
  // The program's own folder is not this test's.
  const int packages_named = setenv("PYEMBER_PACKAGES", PYEMBER_TEST_PACKAGES, 1);
  PythonServices services{[]() -> embed::Runtime& { return test::runtime(); }, turn().loop,
                          turn().poster};

  Result<Json> call(const std::string& function, Json arguments) {
    std::optional<Result<Json>> answer;
    services.call(function, std::move(arguments),
                  [&answer](Result<Json> result) { answer = std::move(result); });
    REQUIRE(turn().until([&] { return answer.has_value(); }, 60s));
    return std::move(*answer);
  }
};

struct EnvFile {
  std::string path = "/tmp/pyember-services-" + std::to_string(getpid()) + ".env";
  explicit EnvFile(const std::string& text) { std::ofstream(path) << text; }
  ~EnvFile() { std::filesystem::remove(path); }
};

}  // namespace

TEST_CASE("Services: a script is inspected by a real interpreter") {
  Services services;
  const Result<Json> answer = services.call(
      "inspect_script",
      {{"source", "'''Says \"ü\".'''\nimport csv, requests\n"}, {"python_version", "3.12"}});
  INFO((answer ? "" : answer.error().message));
  REQUIRE(answer);
  CHECK(answer.value()["docstring"] == "Says \"ü\".");
  CHECK(answer.value()["imports_added"] == Json::array({"requests"}));
  CHECK(answer.value()["syntax_error"].is_null());
}

TEST_CASE("Services: an .env file is read, and what is missing is told") {
  Services services;
  const EnvFile file("export NAME=value # said\nQUOTED='a ${NAME}'\nBOTH=\"${NAME}!\"\nNONE\n");
  const Result<Json> answer = services.call("parse_env_file", {{"path", file.path}});
  INFO((answer ? "" : answer.error().message));
  REQUIRE(answer);
  CHECK(answer.value()["values"] ==
        Json{{"NAME", "value"}, {"QUOTED", "a ${NAME}"}, {"BOTH", "value!"}});
  const Result<Json> missing = services.call("parse_env_file", {{"path", "/nowhere/.env"}});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::NotFound);
  CHECK(missing.error().message.starts_with("FileNotFoundError: the env file /nowhere/.env"));
}

TEST_CASE("Services: a large answer and a large argument pass") {
  Services services;
  const std::string body(3'000'000, 'x');
  const Result<Json> answer =
      services.call("add_header", {{"source", "x = '" + body + "'\n"}, {"dependencies", {"six"}}});
  REQUIRE(answer);
  CHECK(answer.value().get<std::string>().size() > body.size());
}

TEST_CASE("Services: unknown functions and wrong arguments are errors") {
  Services services;
  CHECK_FALSE(services.call("no_such", Json::object()));
  const Result<Json> wrong = services.call("parse_env_file", {{"other", 1}});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == ErrorCode::InvalidArgument);
  CHECK(services.call("project_python", {{"directory", "/nowhere"}}).value().is_null());
}

TEST_CASE("Services: the interpreter is no session's, and a session later sees nothing of it") {
  const EnvFile file("SECRET_OF_SERVICES=tell-nobody-17\n");
  {
    Services services;
    REQUIRE(services.call("parse_env_file", {{"path", file.path}}));
  }
  // The interpreter went back to the pool; whoever gets it finds no trace.
  for (int i = 0; i < 3; ++i) {
    test::SessionDriver session("after");
    const auto answer = session.run(
        "import sys, os, gc, linecache\n"
        "traces = [t for t in linecache.cache if 'services' in t]\n"
        "held = [o for o in gc.get_objects() if isinstance(o, dict) and "
        "'SECRET_OF_SERVICES' in o]\n"
        "(traces, len(held), 'SECRET_OF_SERVICES' in os.environ, 'mcp_services' in sys.modules,"
        " 'dotenv' in sys.modules)");
    INFO((answer.outcome.error ? answer.outcome.error->traceback : ""));
    CHECK(answer.outcome.result == "([], 0, False, False, False)");
  }
}

#include "host/scripts/script_library.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/catch.h"

#include "base/sha256.h"
#include "host/scripts/project.h"
#include "host/scripts/redaction.h"
#include "host/scripts/script_header.h"

using namespace pyember;
using namespace pyember::host;
using mcp::Json;
namespace fs = std::filesystem;

namespace {

// A folder that is gone afterwards.
struct Folder {
  Folder() {
    char name[] = "/tmp/pyember-library-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { fs::remove_all(path); }
  std::string path;
};

ScriptLibrary library_in(const Folder& folder, std::size_t most = 10,
                         std::uint64_t bytes = 1 << 20) {
  return ScriptLibrary({folder.path, most, bytes});
}

std::string content_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::size_t scripts_kept(const ScriptLibrary& library) {
  std::size_t count = 0;
  for (const StoredScript& script : library.list(true)) count += script.autosaved ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("ScriptLibrary: inline code is kept with a sidecar that holds no secret") {
  const Folder folder;
  ScriptLibrary library = library_in(folder);
  const Json parameters = {{"script_content", "print(1)"},
                           {"args", {"--token", "hunter2", "--password=hunter2", "plain"}},
                           {"env_vars", {{"API_KEY", "hunter2"}}},
                           {"dependencies", {"x @ https://me:hunter2@host/x.whl"}}};
  const auto saved = library.autosave("run_script_in_dir", "print(1)", parameters);
  REQUIRE(saved.ok());
  CHECK(content_of(saved.value().path) == "print(1)");
  const std::string hash = sha256_hex("print(1)");
  CHECK(saved.value().name.ends_with("Z_run_script_in_dir_" + hash.substr(0, 8) + ".py"));
  library.write_sidecars();
  const std::string sidecar =
      content_of(saved.value().path.substr(0, saved.value().path.size() - 3) + ".json");
  CHECK(sidecar.find("hunter2") == std::string::npos);
  CHECK(sidecar.find("script_content") == std::string::npos);
  CHECK(sidecar.find(hash) != std::string::npos);
  CHECK(sidecar.find("\"API_KEY\":\"***\"") != std::string::npos);
  CHECK(sidecar.find("plain") != std::string::npos);
  CHECK(content_of(library.autosave_directory() + "/.gitignore") == "*\n");
}

TEST_CASE("ScriptLibrary: the same content gets the same file again, for each tool") {
  const Folder folder;
  ScriptLibrary library = library_in(folder);
  const auto first = library.autosave("run", "print(1)", Json::object());
  const auto again = library.autosave("run", "print(1)", {{"args", {"two"}}});
  const auto other = library.autosave("benchmark", "print(1)", Json::object());
  REQUIRE((first.ok() && again.ok() && other.ok()));
  CHECK(first.value().path == again.value().path);
  CHECK(first.value().path != other.value().path);
  CHECK(scripts_kept(library) == 2);
  ScriptLibrary next = library_in(folder);  // a server that starts later
  CHECK(next.autosave("run", "print(1)", Json::object()).value().path == first.value().path);
}

TEST_CASE("ScriptLibrary: no more is kept than the limits allow, the oldest go first") {
  const Folder folder;
  ScriptLibrary library = library_in(folder, 3);
  std::vector<std::string> paths;
  for (int number = 0; number < 5; ++number) {
    const auto saved = library.autosave("run", "print(" + std::to_string(number) + ")", {});
    paths.push_back(saved.value().path);
  }
  CHECK(scripts_kept(library) == 3);
  CHECK(fs::exists(paths.back()));
  const Folder small;
  ScriptLibrary bytes = library_in(small, 100, 2500);
  for (char c = 'a'; c < 'f'; ++c) {
    REQUIRE(bytes.autosave("run", std::string(1000, c), Json::object()).ok());
  }
  CHECK(scripts_kept(bytes) == 2);
}

TEST_CASE("ScriptLibrary: what became of a run is added to its sidecar") {
  const Folder folder;
  ScriptLibrary library = library_in(folder);
  const auto saved = library.autosave("run", "print(1)", Json::object());
  library.annotate(saved.value(), {{"result", {{"exit_code", 3}}}});
  const auto script = library.find(saved.value().name, true);
  REQUIRE(script.ok());
  CHECK(library.metadata(script.value())["result"]["exit_code"] == 3);
  CHECK(library.metadata(script.value())["tool"] == "run");
}

TEST_CASE("ScriptLibrary: scripts are saved by their base name, and not overwritten unasked") {
  const Folder folder;
  ScriptLibrary library = library_in(folder);
  const auto saved = library.save("../../etc/report", "print(1)\n", false);
  REQUIRE(saved.ok());
  CHECK(saved.value().written);
  CHECK(saved.value().path == folder.path + "/scripts/report.py");
  const auto again = library.save("report.py", "print(2)\n", false);
  REQUIRE(again.ok());
  CHECK(!again.value().written);
  CHECK(content_of(saved.value().path) == "print(1)\n");
  CHECK(library.save("report", "print(3)\n", true).value().written);
  CHECK(content_of(saved.value().path) == "print(3)\n");
  CHECK(library.list(true).size() == 1);
  CHECK(!library.save("..", "x", false).ok());
}

TEST_CASE("ScriptLibrary: a script that is missing is named with where it was looked for") {
  const Folder folder;
  ScriptLibrary library = library_in(folder);
  REQUIRE(library.save("report", "print(1)", false).ok());
  const auto missing = library.find("reprot", false);
  REQUIRE(!missing.ok());
  CHECK(missing.error().code == ErrorCode::NotFound);
  CHECK(missing.error().message.find(folder.path + "/scripts/reprot.py") != std::string::npos);
  CHECK(missing.error().message.find("report.py") != std::string::npos);
}

TEST_CASE("redacted: arguments keep their names and lose what looks secret") {
  const Json args = redacted({{"args",
                               {"--api-key", "abc", "TOKEN=abc", "sk-0123456789abcdef", "--verbose",
                                "file.txt"}}})["args"];
  CHECK(args == Json{"--api-key", "***", "TOKEN=***", "***", "--verbose", "file.txt"});
}

TEST_CASE("sha256_hex: the standard's examples") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex(std::string(1'000'000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("has_script_header: a closed block of type script, and nothing else") {
  CHECK(has_script_header("# /// script\n# dependencies = []\n# ///\nprint(1)\n"));
  CHECK(has_script_header("#!/usr/bin/env python\r\n# /// script\r\n#\r\n# ///\r\n"));
  CHECK(!has_script_header("# /// script\nprint(1)\n# ///\n"));
  CHECK(!has_script_header("# /// pyproject\n# ///\n"));
  CHECK(!has_script_header("print('# /// script')\n"));
}

TEST_CASE("required_python: the lower bound of requires-python") {
  CHECK(minor_version_in(">=3.11") == "3.11");
  CHECK(minor_version_in("<3.14,>=3.12.1") == "3.12");
  CHECK(minor_version_in("~=3.13") == "3.13");
  CHECK(minor_version_in("<4.0") == "4.0");
  CHECK(minor_version_in(">=3") == std::nullopt);
  const Folder folder;
  std::ofstream(folder.path + "/pyproject.toml") << "[project]\nrequires-python = \">=3.12\"\n";
  CHECK(required_python(folder.path) == "3.12");
  fs::create_directory(folder.path + "/below");
  CHECK(find_project(folder.path + "/below") == folder.path);
  CHECK(required_python(folder.path + "/below") == std::nullopt);
  std::ofstream(folder.path + "/.python-version") << "3.13\n";
  CHECK(required_python(folder.path) == std::nullopt);
}

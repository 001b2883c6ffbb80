#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "base/limits.h"
#include "host/upstream/config/aliases.h"
#include "host/upstream/config/config_file.h"
#include "host/upstream/config/imports.h"
#include "host/upstream/config/load.h"
#include "host/upstream/config/places.h"
#include "host/upstream/config/shown.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

namespace fs = std::filesystem;

namespace {

// A user's machine: a home folder and a project in it, with whatever files a test puts there.
class Machine {
 public:
  Machine() {
    char name[] = "/tmp/pyember-upstreams-XXXXXX";
    root_ = fs::canonical(mkdtemp(name)).string();
    places.home = at("home");
    places.working_directory = at("home/project");
    places.config_home = at("home/.config");
    places.application_folders = {at("home/.config"), at("home/Library/Application Support")};
    places.codex_home = at("home/.codex");
    places.imports_file = at("home/.config/pyember/imported-upstreams.json");
    fs::create_directories(places.working_directory);
  }
  ~Machine() { fs::remove_all(root_); }

  std::string at(const std::string& name) const { return root_ + "/" + name; }

  std::string write(const std::string& name, const std::string& text) const {
    fs::create_directories(fs::path(at(name)).parent_path());
    std::ofstream(at(name)) << text;
    return at(name);
  }

  // A file with one server, `name`, that is started by `command`.
  std::string define(const std::string& file, const std::string& name,
                     const std::string& command) const {
    return write(file, R"({"mcpServers": {")" + name + R"(": {"command": ")" + command + R"("}}})");
  }

  // As the user does with `pyember upstreams import`.
  void import(const std::string& path) const {
    Result<ImportedFiles> imports = ImportedFiles::load(places.imports_file);
    REQUIRE(imports);
    for (const ConfigFile& file : config_files(places)) {
      if (file.path != path) continue;
      const auto contents = read_config_file(path, places.working_directory);
      imports.value().add(file, contents ? digest_of(contents.value()) : "");
    }
    REQUIRE(imports.value().save());
  }

  LoadedUpstreams load() const {
    return load_upstream_files(places, [this](const std::string& name) {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
    });
  }

  UpstreamConfigPlaces places;
  std::map<std::string, std::string> variables;

 private:
  std::string root_;
};

const UpstreamDefinition* find(const LoadedUpstreams& loaded, const std::string& name) {
  for (const UpstreamDefinition& each : loaded.configuration.upstreams) {
    if (each.name == name) return &each;
  }
  return nullptr;
}

std::vector<std::string> names(const LoadedUpstreams& loaded) {
  std::vector<std::string> all;
  for (const UpstreamDefinition& each : loaded.configuration.upstreams) all.push_back(each.name);
  return all;
}

std::string all_warnings(const LoadedUpstreams& loaded) {
  std::string text;
  for (const std::string& each : loaded.configuration.warnings) text += each + "\n";
  return text;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// One server in a file of the user's own.
LoadedUpstreams load_entry(Machine& machine, const std::string& entry) {
  machine.write("home/MCPs/one.json", R"({"mcpServers": {"one": )" + entry + "}}");
  return machine.load();
}

}  // namespace

// --- places and their order
// ------------------------------------------------------------------------

TEST_CASE("Upstream configuration: the user's own files are read without being asked for") {
  Machine machine;
  machine.define("home/MCPs/a.json", "alpha", "run-alpha");
  machine.define("home/.config/mcp/b.json", "beta", "run-beta");
  machine.define("home/.config/mcp/servers/c.json", "gamma", "run-gamma");
  const LoadedUpstreams loaded = machine.load();
  CHECK(names(loaded) == std::vector<std::string>{"alpha", "beta", "gamma"});
  CHECK(find(loaded, "alpha")->command == "run-alpha");
  CHECK(find(loaded, "alpha")->source == machine.at("home/MCPs/a.json"));
  CHECK(all_warnings(loaded).empty());
}

TEST_CASE("Upstream configuration: without files there are no upstreams and no warnings") {
  const Machine machine;
  const LoadedUpstreams loaded = machine.load();
  CHECK(loaded.configuration.upstreams.empty());
  CHECK(all_warnings(loaded).empty());
  CHECK(loaded.configuration.not_imported.empty());
}

TEST_CASE("Upstream configuration: the first definition of a name wins, new names are added") {
  Machine machine;
  machine.define("home/MCPs/a.json", "shared", "first");
  machine.write(
      "home/.config/mcp/b.json",
      R"({"mcpServers": {"shared": {"command": "second"}, "new": {"command": "third"}}})");
  const LoadedUpstreams loaded = machine.load();
  CHECK(names(loaded) == std::vector<std::string>{"shared", "new"});
  CHECK(find(loaded, "shared")->command == "first");
}

TEST_CASE("Upstream configuration: named files win, MCP_SERVERS_CONFIG only adds") {
  Machine machine;
  machine.define("home/MCPs/a.json", "both", "from-home");
  machine.places.named = {machine.define("named.json", "both", "named")};
  machine.places.last = machine.write(
      "last.json", R"({"mcpServers": {"both": {"command": "last"}, "more": {"command": "more"}}})");
  const LoadedUpstreams loaded = machine.load();
  CHECK(find(loaded, "both")->command == "named");
  CHECK(find(loaded, "more")->command == "more");
}

TEST_CASE("Upstream configuration: a named folder stands for the JSON files in it") {
  Machine machine;
  machine.define("set/b.json", "two", "x");
  machine.define("set/a.json", "one", "x");
  machine.write("set/notes.txt", "no JSON");
  machine.places.named = {machine.at("set")};
  CHECK(names(machine.load()) == std::vector<std::string>{"one", "two"});
}

TEST_CASE("Upstream configuration: a named file that is missing or broken is a warning") {
  Machine machine;
  machine.places.named = {machine.at("nowhere.json"), machine.write("broken.json", "{\"mcpServ")};
  machine.define("home/MCPs/a.json", "fine", "x");
  const LoadedUpstreams loaded = machine.load();
  CHECK(names(loaded) == std::vector<std::string>{"fine"});
  CHECK(contains(all_warnings(loaded), "no such file"));
  CHECK(contains(all_warnings(loaded), "it stops being valid JSON"));
}

TEST_CASE("Upstream configuration: a disabled definition takes its name and is not used") {
  Machine machine;
  machine.write("home/MCPs/a.json",
                R"({"mcpServers": {"off": {"command": "x", "disabled": true, "env": {"A": "${NO}"}},
                                   "not-on": {"command": "x", "enabled": false},
                                   "on": {"command": "x", "disabled": false, "enabled": true}}})");
  machine.define("home/.config/mcp/b.json", "off", "second");
  const LoadedUpstreams loaded = machine.load();
  CHECK(names(loaded) == std::vector<std::string>{"on"});
  CHECK(all_warnings(loaded).empty());
}

// --- files of clients and projects
// -----------------------------------------------------------------

TEST_CASE("Upstream configuration: a client's file is read only once it was imported") {
  Machine machine;
  const std::string path = machine.define(
      "home/Library/Application Support/Claude/claude_desktop_config.json", "desktop", "x");
  LoadedUpstreams loaded = machine.load();
  CHECK(loaded.configuration.upstreams.empty());
  CHECK(loaded.configuration.not_imported == std::vector<std::string>{path});
  machine.import(path);
  machine.define("home/Library/Application Support/Claude/claude_desktop_config.json", "desktop",
                 "changed");
  loaded = machine.load();
  CHECK(names(loaded) == std::vector<std::string>{"desktop"});
  CHECK(loaded.configuration.not_imported.empty());
}

TEST_CASE("Upstream configuration: a project's file counts until somebody changes it") {
  Machine machine;
  const std::string path = machine.define("home/project/.mcp.json", "tool", "run-tool");
  CHECK(machine.load().configuration.upstreams.empty());
  machine.import(path);
  CHECK(names(machine.load()) == std::vector<std::string>{"tool"});
  machine.define("home/project/.mcp.json", "tool", "run-something-else");
  const LoadedUpstreams changed = machine.load();
  CHECK(changed.configuration.upstreams.empty());
  CHECK(contains(all_warnings(changed), "has changed since it was imported"));
  CHECK(changed.files.front().state == ReadConfigFile::State::Changed);
}

TEST_CASE("Upstream configuration: an imported project goes before the user's own files") {
  Machine machine;
  machine.import(machine.define("home/project/.mcp.json", "same", "project"));
  machine.define("home/MCPs/a.json", "same", "home");
  CHECK(find(machine.load(), "same")->command == "project");
}

TEST_CASE("Upstream configuration: who names a client's file wants it read") {
  Machine machine;
  const std::string path = machine.define("home/.cursor/mcp.json", "cursor", "x");
  machine.places.last = path;
  CHECK(names(machine.load()) == std::vector<std::string>{"cursor"});
  CHECK(machine.load().configuration.not_imported.empty());
}

TEST_CASE("Upstream configuration: in the home folder a client's file is no project's") {
  Machine machine;
  machine.places.working_directory = machine.places.home;
  const std::string path = machine.define("home/.cursor/mcp.json", "cursor", "x");
  machine.import(path);
  machine.define("home/.cursor/mcp.json", "cursor", "changed");
  CHECK(find(machine.load(), "cursor")->command == "changed");
}

TEST_CASE("Upstream configuration: a removed import is not read any more") {
  Machine machine;
  const std::string path = machine.define("home/.cursor/mcp.json", "cursor", "x");
  machine.import(path);
  Result<ImportedFiles> imports = ImportedFiles::load(machine.places.imports_file);
  REQUIRE(imports);
  CHECK(imports.value().remove(path));
  CHECK(!imports.value().remove(path));
  REQUIRE(imports.value().save());
  CHECK(machine.load().configuration.upstreams.empty());
}

TEST_CASE("Upstream configuration: the list of imports is the user's alone, a broken one is told") {
  Machine machine;
  machine.import(machine.define("home/.cursor/mcp.json", "cursor", "x"));
  struct stat status {};
  REQUIRE(stat(machine.places.imports_file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  machine.write("home/.config/pyember/imported-upstreams.json", "[]");
  const LoadedUpstreams loaded = machine.load();
  CHECK(loaded.configuration.upstreams.empty());
  CHECK(contains(all_warnings(loaded), "no list of imported files"));
}

TEST_CASE("Upstream configuration: every client's place is known") {
  Machine machine;
  const std::vector<std::string> files = {
      "project/.mcp.json",
      "project/.cursor/mcp.json",
      "project/.vscode/mcp.json",
      "project/mcp-servers/x.json",
      "project/claude_code_config.json",
      "project/claude_desktop_config.json",
      "project/opencode_config.json",
      "project/opencode_desktop_config.json",
      ".claude.json",
      "Library/Application Support/Claude Code/mcp/servers/x.json",
      "Library/Application Support/Claude/mcp/servers/x.json",
      "Library/Application Support/Claude Code/claude_code_config.json",
      "Library/Application Support/Claude/claude_code_config.json",
      "Library/Application Support/Claude/claude_desktop_config.json",
      ".config/Claude/claude_desktop_config.json",
      ".opencode.json",
      ".config/opencode/opencode.json",
      "Library/Application Support/OpenCode/opencode_config.json",
      ".gemini/settings.json",
      ".cursor/mcp.json",
      ".codeium/windsurf/mcp_config.json",
      "Library/Application Support/Code/User/settings.json",
      ".config/Code/User/settings.json",
      ".config/Code/User/mcp.json",
      ".config/zed/settings.json",
      ".antigravity/settings.json",
      ".antigravity/mcp.json"};
  for (std::size_t i = 0; i < files.size(); ++i) {
    machine.import(machine.define("home/" + files[i], "server" + std::to_string(i), "x"));
  }
  machine.import(machine.write("home/.codex/config.toml",
                               "[mcp_servers.codex]\ncommand = \"x\"\nargs = [\"-y\"]\n"));
  const LoadedUpstreams loaded = machine.load();
  for (std::size_t i = 0; i < files.size(); ++i) {
    INFO(files[i]);
    CHECK(find(loaded, "server" + std::to_string(i)) != nullptr);
  }
  REQUIRE(find(loaded, "codex") != nullptr);
  CHECK(find(loaded, "codex")->arguments == std::vector<std::string>{"-y"});
}

// --- spellings
// -------------------------------------------------------------------------------------

TEST_CASE("Upstream configuration: all clients' spellings are understood") {
  Machine machine;
  machine.write("home/MCPs/all.json", R"({
    // comments, and commas before brackets
    "mcpServers": {"plain": {"command": "npx", "args": ["-y", "a"], "env": {"A": "1"},}},
    "servers": {"vscode": {"type": "stdio", "command": "npx"}},
    "mcp.servers": {"dotted": {"command": "npx"}},
    "mcp_servers": {"codex": {"url": "https://c.example/mcp",
                              "http_headers": {"X-A": "1"}, "bearer_token_env_var": "TOKEN"}},
    "mcp": {"inputs": [], "servers": {"settings": {"command": "npx"}},
            "opencode": {"type": "local", "command": ["npx", "-y", "b"],
                         "environment": {"B": "2"}, "enabled": true},
            "remote": {"type": "remote", "url": "https://r.example/mcp"}},
    "context_servers": {"zed": {"command": {"path": "npx", "args": ["c"], "env": {"C": "3"}}},
                        "newer-zed": {"source": "custom", "command": "npx", "args": []}},
  })");
  machine.variables["TOKEN"] = "hidden";
  const LoadedUpstreams loaded = machine.load();
  CHECK(all_warnings(loaded).empty());
  for (const char* name : {"plain", "vscode", "dotted", "settings", "newer-zed"}) {
    INFO(name);
    REQUIRE(find(loaded, name) != nullptr);
    CHECK(find(loaded, name)->command == "npx");
  }
  CHECK(find(loaded, "plain")->environment.at("A") == "1");
  CHECK(find(loaded, "opencode")->arguments == std::vector<std::string>{"-y", "b"});
  CHECK(find(loaded, "opencode")->environment.at("B") == "2");
  CHECK(find(loaded, "zed")->command == "npx");
  CHECK(find(loaded, "zed")->arguments == std::vector<std::string>{"c"});
  CHECK(find(loaded, "zed")->environment.at("C") == "3");
  const UpstreamDefinition* codex = find(loaded, "codex");
  CHECK(codex->kind == UpstreamDefinition::Kind::Http);
  CHECK(codex->headers.at("X-A") == "1");
  CHECK(codex->headers.at("Authorization") == "Bearer hidden");
  CHECK(find(loaded, "remote")->url == "https://r.example/mcp");
}

TEST_CASE("Upstream configuration: OpenCode's and Antigravity's files, as their users have them") {
  Machine machine;
  machine.import(machine.write("home/.opencode.json", R"({
    "mcpServers": {"files": {"type": "stdio", "command": "mcp-files", "args": ["/data"],
                             "env": ["ROOT=/data", "EMPTY"]}}})"));
  machine.import(
      machine.write("home/.antigravity/settings.json",
                    R"({"mcpServers": {"hosted": {"serverUrl": "https://h.example/x"}}})"));
  const LoadedUpstreams loaded = machine.load();
  REQUIRE(find(loaded, "files") != nullptr);
  CHECK(find(loaded, "files")->environment.at("ROOT") == "/data");
  CHECK(find(loaded, "files")->environment.at("EMPTY").empty());
  REQUIRE(find(loaded, "hosted") != nullptr);
  CHECK(find(loaded, "hosted")->url == "https://h.example/x");
}

TEST_CASE("Upstream configuration: Claude Code's servers of one folder belong to that folder") {
  Machine machine;
  machine.import(machine.write("home/.claude.json",
                               R"({"mcpServers": {"all": {"command": "x"}}, "projects": {
          ")" + machine.at("home/project") +
                                   R"(": {"mcpServers": {"here": {"command": "x"}}},
          "/elsewhere": {"mcpServers": {"there": {"command": "x"}}}}})"));
  CHECK(names(machine.load()) == std::vector<std::string>{"here", "all"});
}

TEST_CASE("Upstream configuration: what type says decides between a command and a url") {
  Machine machine;
  const auto kind = [&](const std::string& entry) {
    const LoadedUpstreams loaded = load_entry(machine, entry);
    const UpstreamDefinition* one = find(loaded, "one");
    if (one == nullptr) return std::string("none");
    return std::string(one->kind == UpstreamDefinition::Kind::Http ? "http" : "stdio");
  };
  CHECK(kind(R"({"url": "http://h/mcp"})") == "http");
  CHECK(kind(R"({"httpUrl": "http://h/mcp"})") == "http");
  CHECK(kind(R"({"type": "sse", "url": "http://h/sse"})") == "http");
  CHECK(kind(R"({"type": "streamable-http", "url": "http://h", "command": "x"})") == "http");
  CHECK(kind(R"({"transport": "http", "url": "http://h"})") == "http");
  CHECK(kind(R"({"url": "http://h", "command": "x"})") == "stdio");
  CHECK(kind(R"({"type": "stdio", "url": "http://h"})") == "none");
  CHECK(kind(R"({"type": "http", "command": "x"})") == "none");
  CHECK(kind(R"({"type": "ws", "url": "ws://h"})") == "none");
  CHECK(kind(R"({"url": "ftp://h"})") == "none");
  CHECK(kind(R"({"url": "https://h/a b"})") == "none");
}

TEST_CASE("Upstream configuration: an entry that can't be used is left out with a warning") {
  Machine machine;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{}", "neither a command nor a url"},
      {R"({"command": ""})", "neither a command nor a url"},
      {R"({"command": 7})", "command is no text"},
      {R"("npx")", "no object"},
      {"null", "no object"},
      {R"({"command": "x", "args": "a"})", "args are no list"},
      {R"({"command": "x", "args": [{}]})", "args are no list"},
      {R"({"command": "x", "env": "A=1"})", "env is no object"},
      {R"({"command": "x", "env": {"A": []}})", "no name or is no text"},
      {R"({"command": "x", "env": {"": "a"}})", "no name or is no text"},
      {R"({"command": "x", "cwd": 1})", "cwd is no text"},
      {R"({"command": "x\u0000y"})", "holds a NUL"},
      {R"({"command": "${input:name}"})", "only its own client"},
      {R"({"url": "https://h", "headers": {"A": "b\r\nC: d"}})", "HTTP forbids"},
      {R"({"url": "https://h", "headers": {"A B": "c"}})", "HTTP forbids"},
      {R"({"url": 1})", "url is no text"},
  };
  for (const auto& [entry, reason] : cases) {
    INFO(entry);
    const LoadedUpstreams loaded = load_entry(machine, entry);
    CHECK(loaded.configuration.upstreams.empty());
    REQUIRE(loaded.configuration.warnings.size() == 1);
    const std::string& warning = loaded.configuration.warnings.front();
    CHECK(contains(warning, reason));
    CHECK(contains(warning, "Server 'one' of " + machine.at("home/MCPs/one.json")));
  }
}

TEST_CASE("Upstream configuration: an entry that can't be used leaves its name to the next one") {
  Machine machine;
  machine.write("home/MCPs/a.json", R"({"mcpServers": {"one": {}}})");
  machine.define("home/.config/mcp/b.json", "one", "works");
  CHECK(find(machine.load(), "one")->command == "works");
}

TEST_CASE(
    "Upstream configuration: names nobody can type, and more servers than fit, are left out") {
  Machine machine;
  std::string text = R"({"mcpServers": {"": {"command": "x"}, "a\nb": {"command": "x"}, ")" +
                     std::string(limits::kMaximumUpstreamNameBytes + 1, 'n') +
                     R"(": {"command": "x"})";
  for (std::size_t i = 0; i <= limits::kMaximumUpstreams; ++i) {
    text += ", \"s" + std::to_string(i) + R"(": {"command": "x"})";
  }
  machine.write("home/MCPs/a.json", text + "}}");
  const LoadedUpstreams loaded = machine.load();
  CHECK(loaded.configuration.upstreams.size() == limits::kMaximumUpstreams);
  CHECK(loaded.configuration.warnings.size() == 4);
}

TEST_CASE("Upstream configuration: a file's description stands in for those of its servers") {
  Machine machine;
  machine.write("home/MCPs/a.json", R"({"description": "of the file", "mcpServers": {
      "one": {"command": "x"}, "two": {"command": "x", "description": "its own"}}})");
  const LoadedUpstreams loaded = machine.load();
  CHECK(find(loaded, "one")->description == "of the file");
  CHECK(find(loaded, "two")->description == "its own");
}

TEST_CASE("Upstream configuration: files that hold no servers, or anything else, do no harm") {
  Machine machine;
  machine.write("home/MCPs/empty.json", "");
  machine.write("home/MCPs/list.json", "[1, 2]");
  machine.write("home/MCPs/other.json", R"({"mcpServers": [], "servers": "no", "mcp": {"a": 1}})");
  machine.write("home/MCPs/deep.json", std::string(100'000, '['));
  fs::create_directory(machine.at("home/MCPs/folder.json"));
  const LoadedUpstreams loaded = machine.load();
  CHECK(loaded.configuration.upstreams.empty());
  CHECK(loaded.configuration.warnings.size() == 2);  // the list, and the deep one
}

TEST_CASE("Upstream configuration: TOML that is broken is told with its line") {
  Machine machine;
  machine.import(machine.write("home/.codex/config.toml", "model = \"x\"\n[mcp_servers\n"));
  CHECK(contains(all_warnings(machine.load()), "valid TOML at line 2"));
}

// --- variables
// -------------------------------------------------------------------------------------

TEST_CASE("Upstream configuration: variables are filled in, in every text") {
  Machine machine;
  machine.variables = {{"TOKEN", "t0"}, {"DIR", "/data"}, {"EMPTY", ""}};
  const LoadedUpstreams loaded = load_entry(
      machine, R"({"command": "${DIR}/bin/x", "args": ["--in=${env:DIR}", "${EMPTY:-none}", "$DIR",
                   "{env:DIR}", "${NO:-${DIR}/b}", "${not a name}", "{\"a\": \"${TOKEN}\"}", "${"],
                   "env": {"T": "${TOKEN}", "N": 5, "B": true, "D": "${NO:-}"},
                   "cwd": "${NO:-/tmp}"})");
  const UpstreamDefinition* one = find(loaded, "one");
  REQUIRE(one != nullptr);
  CHECK(all_warnings(loaded).empty());
  CHECK(one->command == "/data/bin/x");
  CHECK(one->arguments == std::vector<std::string>{"--in=/data", "none", "$DIR", "/data", "/data/b",
                                                   "${not a name}", R"({"a": "t0"})", "${"});
  CHECK(one->environment ==
        std::map<std::string, std::string>{{"B", "true"}, {"D", ""}, {"N", "5"}, {"T", "t0"}});
  CHECK(one->working_directory == "/tmp");
}

TEST_CASE("Upstream configuration: in a url and headers, too") {
  Machine machine;
  machine.variables = {{"HOST", "h.example"}, {"KEY", "k"}};
  const LoadedUpstreams loaded = load_entry(
      machine, R"({"url": "https://${HOST}/mcp", "headers": {"Authorization": "Bearer ${KEY}"}})");
  REQUIRE(find(loaded, "one") != nullptr);
  CHECK(find(loaded, "one")->url == "https://h.example/mcp");
  CHECK(find(loaded, "one")->headers.at("Authorization") == "Bearer k");
}

TEST_CASE("Upstream configuration: a variable that is not set is named in a warning, once") {
  Machine machine;
  const LoadedUpstreams loaded = load_entry(
      machine, R"({"command": "x", "args": ["${NO}"], "env": {"A": "${NO}", "B": "<${NO}>"}})");
  REQUIRE(find(loaded, "one") != nullptr);
  CHECK(find(loaded, "one")->environment.at("B") == "<>");
  REQUIRE(loaded.configuration.warnings.size() == 1);
  CHECK(contains(all_warnings(loaded), "the variable NO, which is not set"));
}

TEST_CASE("Upstream configuration: what a variable holds is not expanded again") {
  Machine machine;
  machine.variables = {{"A", "${B}"}, {"B", "no"}};
  const LoadedUpstreams loaded = load_entry(machine, R"({"command": "x", "args": ["${A}"]})");
  CHECK(find(loaded, "one")->arguments == std::vector<std::string>{"${B}"});
}

TEST_CASE("Upstream configuration: defaults that are nested without end are cut off") {
  Machine machine;
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "${NO:-";
  const LoadedUpstreams loaded =
      load_entry(machine, R"({"command": "x", "args": [")" + text + R"("]})");
  CHECK(find(loaded, "one") != nullptr);
}

TEST_CASE("Upstream configuration: editors' names of folders are variables of the process") {
  Machine machine;
  const VariableLookup lookup = variables_of_process(machine.places);
  CHECK(lookup("workspaceFolder") == machine.at("home/project"));
  CHECK(lookup("workspaceFolderBasename") == "project");
  CHECK(lookup("userHome") == machine.at("home"));
  CHECK(lookup("PATH").has_value());
  CHECK(!lookup("PYEMBER_NO_SUCH_VARIABLE").has_value());
}

// --- working directory
// -----------------------------------------------------------------------------

TEST_CASE("Upstream configuration: cwd is passed on, and a missing one is a warning") {
  Machine machine;
  LoadedUpstreams loaded = load_entry(machine, R"({"command": "x", "cwd": "/tmp"})");
  CHECK(find(loaded, "one")->working_directory == "/tmp");
  CHECK(all_warnings(loaded).empty());
  loaded = load_entry(machine, R"({"command": "x", "cwd": "nowhere"})");
  CHECK(find(loaded, "one")->working_directory == machine.at("home/project/nowhere"));
  CHECK(contains(all_warnings(loaded), "which is not there"));
  loaded = load_entry(machine, R"({"command": "x"})");
  CHECK(find(loaded, "one")->working_directory.empty());
}

// --- this server itself
// ----------------------------------------------------------------------------

TEST_CASE("Upstream configuration: this server is not put behind itself, unless it is allowed to") {
  Machine machine;
  machine.write("home/MCPs/a.json", R"({"mcpServers": {
      "pyember": {"command": "/opt/anything"},
      "mcp_server_code_execution_mode": {"command": "x"},
      "code-execution": {"command": "python", "args": ["-m", "mcp_code_execution_mode"]},
      "by-uvx": {"command": "uvx", "args": ["--from",
          "git+https://github.com/elusznik/mcp-server-code-execution-mode", "run"]},
      "by-path": {"command": "/opt/bin/pyember", "args": ["serve"]},
      "by-requirement": {"command": "uvx", "args": ["pyember[all]==1.0"]},
      "by-module": {"command": "python3", "args": ["-m", "python_mcp_server"]},
      "by-image": {"command": "podman", "args": ["run", "ghcr.io/elusznik/mcp-code-execution-mode:latest"]},
      "files": {"command": "npx", "args": ["server-filesystem", "/src/pyember", "/src/pyember-data"]}}})");
  const LoadedUpstreams loaded = machine.load();
  CHECK(names(loaded) == std::vector<std::string>{"files"});
  CHECK(all_warnings(loaded).empty());
  machine.places.allows_itself = true;
  CHECK(machine.load().configuration.upstreams.size() == 9);
}

TEST_CASE("Upstream configuration: this program under another name is told by what it is") {
  Machine machine;
  const std::string link = machine.at("other-name");
  fs::create_symlink("/proc/self/exe", link);
  const LoadedUpstreams loaded = load_entry(machine, R"({"command": ")" + link + R"("})");
  CHECK(loaded.configuration.upstreams.empty());
}

// --- names, fingerprints, what people see
// ----------------------------------------------------------

TEST_CASE("Upstream configuration: aliases are Python names, and unique") {
  CHECK(alias_of("GitHub") == "github");
  CHECK(alias_of("my - server.v2") == "my_server_v2");
  CHECK(alias_of("3d") == "_3d");
  CHECK(alias_of("日本") == "_");
  CHECK(alias_of("") == "_");
  Machine machine;
  machine.write("home/MCPs/a.json", R"({"mcpServers": {"a-b": {"command": "x"},
      "a.b": {"command": "x"}, "A_B": {"command": "x"}, "servers": {"command": "x"}}})");
  std::vector<std::string> aliases;
  for (const auto& each : machine.load().configuration.upstreams) aliases.push_back(each.alias);
  CHECK(aliases == std::vector<std::string>{"a_b", "a_b_2", "a_b_3", "servers_2"});
}

TEST_CASE("Upstream configuration: a fingerprint changes with what is started, not with secrets") {
  Machine machine;
  const auto fingerprint = [&](const std::string& entry) {
    return find(load_entry(machine, entry), "one")->fingerprint;
  };
  const std::string first = fingerprint(R"({"command": "x", "args": ["a"], "env": {"K": "1"}})");
  CHECK(first.size() == 64);
  CHECK(first == fingerprint(R"({"command": "x", "args": ["a"], "env": {"K": "2"}})"));
  CHECK(first != fingerprint(R"({"command": "x", "args": ["b"], "env": {"K": "1"}})"));
  CHECK(first != fingerprint(R"({"command": "x", "args": ["a"], "cwd": "/tmp"})"));
  machine.variables["V"] = "one";
  const std::string variable = fingerprint(R"({"command": "x", "args": ["${V}"]})");
  machine.variables["V"] = "two";
  CHECK(variable == fingerprint(R"({"command": "x", "args": ["${V}"]})"));
}

TEST_CASE("Upstream configuration: what is shown holds no secret") {
  Machine machine;
  machine.variables["TOKEN"] = "very-secret";
  const auto shown = [&](const std::string& entry) {
    return find(load_entry(machine, entry), "one")->shown;
  };
  CHECK(shown(R"({"command": "npx", "args": ["-y", "a b", "--key=${TOKEN}", "${TOKEN}"],
                  "env": {"T": "very-secret"}})") == "npx -y 'a b' --key=${TOKEN} ${TOKEN}");
  CHECK(
      shown(R"({"command": "x", "args": ["--token", "abc", "--api-key=abc",
                  "ghp_0123456789abcdef", "postgres://u:p@host/db?password=p",
                  "--header", "Authorization: Bearer abc", "--header=X-Key: abc"]})") ==
      "x --token *** --api-key=*** *** 'postgres://***@host/db?***' --header 'Authorization: ***' "
      "'--header=X-Key: ***'");
  CHECK(shown(R"({"url": "https://u:p@h.example:8443/s/Zm9vYmFy1234567890/mcp?key=abc"})") ==
        "https://***@h.example:8443/s/***/mcp?***");
  CHECK(shown(R"({"url": "https://h.example/mcp"})") == "https://h.example/mcp");
  CHECK(shown_command("a\nb", {"\x1b[2J"}) == "'a b' ' [2J'");
}

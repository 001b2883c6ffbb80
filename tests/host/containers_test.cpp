#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "host/boundaries/container_failures.h"
#include "host/boundaries/container_orphans.h"
#include "host/boundaries/container_pull.h"
#include "host/boundaries/container_settings.h"
#include "host/boundaries/containers.h"
#include "loop_fixture.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

namespace {

Result<ContainerSettings> settings_from(std::map<std::string, std::string> variables) {
  return read_container_settings([&variables](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

ContainerSettings settings(std::map<std::string, std::string> variables = {}) {
  return settings_from(std::move(variables)).take();
}

ContainerPlan plan() {
  ContainerPlan plan;
  plan.name = "pyember-1-2-3";
  plan.labels = {"pyember.owner=0.1.2.3.b"};
  plan.exchange_directory = "/run/x/1";
  plan.packages_directory = "/run/x/packages";
  plan.runtime_directory = "/srv/python";
  plan.bundled_directory = "/srv/bundled";
  plan.read_only = {"/srv/env, \"new\""};
  return plan;
}

const ContainerRuntime kPodman{"/usr/bin/podman", ContainerRuntime::Kind::Podman};
const ContainerRuntime kDocker{"/usr/bin/docker", ContainerRuntime::Kind::Docker};

// Where `first, second` stand beside each other.
bool has_pair(const std::vector<std::string>& words, const std::string& first,
              const std::string& second) {
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == first && words[i + 1] == second) return true;
  }
  return false;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool has(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// A folder with programs that do nothing, alone on PATH.
class OnlyPath {
 public:
  explicit OnlyPath(const std::vector<std::string>& programs, const std::string& script = "")
      : before_(getenv("PATH")) {
    char name[] = "/tmp/pyember-path-XXXXXX";
    folder_ = mkdtemp(name);
    for (const std::string& program : programs) {
      write(program, script);
    }
    setenv("PATH", folder_.c_str(), 1);
  }
  ~OnlyPath() {
    setenv("PATH", before_.c_str(), 1);
    std::filesystem::remove_all(folder_);
  }
  const std::string& folder() const { return folder_; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
    std::filesystem::permissions(folder_ + "/" + name, std::filesystem::perms(0755));
  }

 private:
  const std::string before_;
  std::string folder_;
};

}  // namespace

TEST_CASE("Containers: settings have the defaults of the contract") {
  const ContainerSettings found = settings();
  CHECK(found.runtime.empty());
  CHECK(found.image == "ghcr.io/elusznik/mcp-code-execution-mode:latest");
  CHECK(found.memory_bytes == 512u << 20);
  CHECK(found.processes == 128);
  CHECK(!found.cpu_quota_us);
  CHECK(found.user == "65534:65534");
  CHECK(found.security_options.empty());
}

TEST_CASE("Containers: of two names of a setting the first wins, and an empty one is not set") {
  CHECK(settings({{"MCP_BRIDGE_MEMORY_LIMIT", "1g"}, {"MCP_BRIDGE_MEMORY", "2g"}}).memory_bytes ==
        1u << 30);
  CHECK(settings({{"MCP_BRIDGE_MEMORY_LIMIT", ""}, {"MCP_BRIDGE_MEMORY", "2g"}}).memory_bytes ==
        2ull << 30);
  CHECK(settings({{"MCP_BRIDGE_PIDS_LIMIT", "64"}, {"MCP_BRIDGE_PIDS", "x"}}).processes == 64);
  CHECK(settings({{"MCP_BRIDGE_PIDS", "256"}}).processes == 256);
  CHECK(settings({{"MCP_BRIDGE_CPU_QUOTA", "50000"}, {"MCP_BRIDGE_CPUS", "2"}}).cpu_quota_us ==
        50000u);
  CHECK(settings({{"MCP_BRIDGE_CPUS", "0.5"}}).cpu_quota_us == 50000u);
}

TEST_CASE("Containers: sizes are read as podman and docker read them") {
  for (const char* text :
       {"512m", "512M", "512mb", "512MiB", "524288k", "536870912", "536870912b"}) {
    CHECK(settings({{"MCP_BRIDGE_MEMORY", text}}).memory_bytes == 512u << 20);
  }
}

TEST_CASE("Containers: a setting that can't be used is named, with why and what would be right") {
  const auto [name, value, part] = GENERATE(table<std::string, std::string, std::string>({
      {"MCP_BRIDGE_MEMORY", "lots", "512m"},
      {"MCP_BRIDGE_MEMORY", "16777216t", "512m"},
      {"MCP_BRIDGE_MEMORY_LIMIT", "1m", "64 MB"},
      {"MCP_BRIDGE_CPU_QUOTA", "0.5", "50000"},
      {"MCP_BRIDGE_CPUS", "half", "0.5"},
      {"MCP_BRIDGE_CPUS", "-1", "0.5"},
      {"MCP_BRIDGE_PIDS", "3", "16"},
      {"MCP_BRIDGE_CONTAINER_USER", "--privileged", "default"},
      {"MCP_BRIDGE_IMAGE", "-v /:/host python", "default"},
      {"PYEMBER_CONTAINER_ARGS", "--label 'a", "quote"},
  }));
  const Result<ContainerSettings> read = settings_from({{name, value}});
  REQUIRE(!read);
  CHECK(contains(read.error().message, name + " is '" + value + "'"));
  CHECK(contains(read.error().message, part));
}

TEST_CASE("Containers: words of arguments are told apart as a shell does") {
  using Words = std::vector<std::string>;
  CHECK(split_words("  --runtime runc\t--x ") == Words{"--runtime", "runc", "--x"});
  CHECK(split_words(R"(--label 'a b' "c \"d" e\ f '')") ==
        Words{"--label", "a b", "c \"d", "e f", ""});
  CHECK(split_words("") == Words{});
  CHECK(!split_words("'open"));
}

TEST_CASE("Containers: podman comes before docker, and what is named before both") {
  {
    const OnlyPath path({"docker", "podman"});
    CHECK(find_container_runtime("").value().program == path.folder() + "/podman");
    CHECK(find_container_runtime("docker").value().kind == ContainerRuntime::Kind::Docker);
    CHECK(find_container_runtime(path.folder() + "/podman").value().kind ==
          ContainerRuntime::Kind::Podman);
  }
  const OnlyPath path({"docker"});
  CHECK(find_container_runtime("").value().kind == ContainerRuntime::Kind::Docker);
  CHECK(find_container_runtime("").value().program == path.folder() + "/docker");
}

TEST_CASE("Containers: without a runtime the error names the ways out") {
  const OnlyPath path({});
  for (const char* named : {"", "podman", "/nowhere/podman", "bin/podman"}) {
    const Result<ContainerRuntime> found = find_container_runtime(named);
    REQUIRE(!found);
    CHECK(contains(found.error().message, "No container runtime found"));
    CHECK(contains(found.error().message, "MCP_BRIDGE_RUNTIME"));
    CHECK(contains(found.error().message, "sandbox"));
  }
}

TEST_CASE("Containers: the command holds every promise, for podman and for docker") {
  const ContainerRuntime& runtime = GENERATE_REF(std::cref(kPodman), std::cref(kDocker)).get();
  const std::vector<std::string> words = run_command(runtime, settings(), plan());
  CHECK(words[0] == runtime.program);
  CHECK(words[1] == "run");
  CHECK(has(words, "--rm"));
  CHECK(has(words, "--read-only"));
  CHECK(has_pair(words, "--network", "none"));
  CHECK(has_pair(words, "--cap-drop", "ALL"));
  CHECK(has_pair(words, "--security-opt", "no-new-privileges"));
  CHECK(has_pair(words, "--user", "65534:65534"));
  CHECK(has_pair(words, "--pids-limit", "128"));
  CHECK(has_pair(words, "--memory", "536870912"));
  CHECK(has_pair(words, "--memory-swap", "536870912"));
  CHECK(!has(words, "--cpu-quota"));
  CHECK(has_pair(words, "--tmpfs", "/tmp:rw,noexec,nosuid,nodev,size=67108864,mode=1777"));
  CHECK(has_pair(words, "--tmpfs", "/workspace:rw,noexec,nosuid,nodev,size=134217728,mode=0777"));
  CHECK(has_pair(words, "--workdir", "/workspace"));
  CHECK(has_pair(words, "--env", "HOME=/workspace"));
  CHECK(has_pair(words, "--env", "PYEMBER_FILTER=/ipc/filter"));
  CHECK(has_pair(words, "--pull", "never"));
  CHECK(has_pair(words, "--log-driver", "none"));
  CHECK(has_pair(words, "--name", "pyember-1-2-3"));
  CHECK(has_pair(words, "--label", "pyember.owner=0.1.2.3.b"));
  CHECK(has_pair(words, "--mount", "type=bind,source=/run/x/1,target=/ipc,readonly"));
  CHECK(has_pair(words, "--mount", "type=bind,source=/run/x/packages,target=/packages,readonly"));
  CHECK(has_pair(words, "--mount",
                 "type=bind,source=/srv/python,target=/opt/pyember/runtime,readonly"));
  CHECK(has_pair(words, "--mount",
                 R"(type=bind,"source=/srv/env, ""new""","target=/srv/env, ""new""",readonly)"));
  const std::vector<std::string> last(words.end() - 9, words.end());
  CHECK(last == std::vector<std::string>{"--entrypoint", "python3", settings().image, "-m",
                                         "mcp_runtime.worker", "--connect", "/ipc/control.sock",
                                         "--workspace", "/workspace"});
  CHECK(has(words, "--no-hosts") == (runtime.kind == ContainerRuntime::Kind::Podman));
  CHECK(has(words, "--read-only-tmpfs=false") == (runtime.kind == ContainerRuntime::Kind::Podman));
  CHECK(has(words, "HTTPS_PROXY=") == (runtime.kind == ContainerRuntime::Kind::Docker));
}

TEST_CASE("Containers: what people add stands where it counts") {
  const ContainerSettings given =
      settings({{"PYEMBER_CONTAINER_GLOBAL_ARGS", "--runtime runc"},
                {"PYEMBER_CONTAINER_ARGS", "--memory 1g"},
                {"MCP_BRIDGE_SECURITY_OPT", "seccomp=/p.json label=disable"},
                {"MCP_BRIDGE_IMAGE", "mine"},
                {"MCP_BRIDGE_CPU_QUOTA", "50000"},
                {"MCP_BRIDGE_CONTAINER_USER", "1000"}});
  const std::vector<std::string> words = run_command(kPodman, given, plan());
  CHECK(std::vector<std::string>(words.begin(), words.begin() + 4) ==
        std::vector<std::string>{"/usr/bin/podman", "--runtime", "runc", "run"});
  CHECK(std::vector<std::string>(words.end() - 11, words.end() - 7) ==
        std::vector<std::string>{"--memory", "1g", "--entrypoint", "python3"});
  CHECK(has_pair(words, "--security-opt", "seccomp=/p.json"));
  CHECK(has_pair(words, "--security-opt", "label=disable"));
  CHECK(has_pair(words, "--cpu-quota", "50000"));
  CHECK(has_pair(words, "--user", "1000"));
  CHECK(has_pair(words, "python3", "mine"));
  CHECK(remove_command(kPodman, given, {"a", "b"}) ==
        std::vector<std::string>{"/usr/bin/podman", "--runtime", "runc", "rm", "-f", "--time", "0",
                                 "a", "b"});
  CHECK(pull_command(kPodman, given) == std::vector<std::string>{"/usr/bin/podman", "--runtime",
                                                                 "runc", "pull", "--quiet",
                                                                 "mine"});
}

TEST_CASE("Containers: what the runtime says tells what is wrong") {
  const auto [printed, failure, part] = GENERATE(table<std::string, ContainerFailure, std::string>({
      {"Error: localhost/none: image not known", ContainerFailure::ImageMissing,
       "not on this machine"},
      {"Error: short-name \"none\" did not resolve to an alias and no unqualified-search "
       "registries "
       "are defined in \"/etc/containers/registries.conf\"",
       ContainerFailure::ImageMissing, "MCP_BRIDGE_IMAGE"},
      {"docker: Error response from daemon: No such image: none:latest.",
       ContainerFailure::ImageMissing, "MCP_BRIDGE_IMAGE"},
      {"Trying to pull ghcr.io/a/b:latest...\nError: initializing source docker://ghcr.io/a/b: "
       "pinging "
       "container registry ghcr.io: Get \"https://ghcr.io/v2/\": dial tcp: lookup ghcr.io: no such "
       "host",
       ContainerFailure::ImageUnreachable, "Image pull failed"},
      {"Error response from daemon: pull access denied for none, repository does not exist",
       ContainerFailure::ImageUnreachable, "Image pull failed"},
      {"docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker "
       "daemon running?",
       ContainerFailure::NoService, "Start it"},
      {"docker: permission denied while trying to connect to the Docker daemon socket at "
       "unix:///var",
       ContainerFailure::NoService, "as this user"},
      {"Error: cannot find newuidmap: exec: \"newuidmap\": executable file not found in $PATH",
       ContainerFailure::NoUserNamespaces, "uidmap"},
      {"Error: runc: runc create failed: unable to start container process: error during container "
       "init: error setting rlimits for ready process: error setting rlimit type 7: operation not "
       "permitted: OCI permission denied",
       ContainerFailure::NoRoomForLimits, "--ulimit nofile=1024:1024"},
      {"Error: crun: creating cgroup directory `/sys/fs/cgroup/x`: No such file or directory",
       ContainerFailure::ControlGroups, "--runtime runc"},
      {"Error: runc: runc create failed: unable to start container process: exec: \"python3\": "
       "executable file not found in $PATH: OCI runtime attempted to invoke a command that was not "
       "found",
       ContainerFailure::NoPython, "3.10"},
      {"Error: statfs /srv/gone: no such file or directory", ContainerFailure::MountRefused,
       "folder"},
      {"Resource limits are not supported and ignored on cgroups V1 rootless systems\nError: what",
       ContainerFailure::Unknown, "Error: what"},
      {"", ContainerFailure::Unknown, "printed nothing"},
  }));
  CHECK(container_failure(printed) == failure);
  const ContainerRuntime& runtime = printed.starts_with("docker") ? kDocker : kPodman;
  const std::string said = container_error(failure, runtime, settings(), printed).message;
  CHECK(contains(said, part));
  CHECK(contains(said, "isolation=\"sandbox\""));
}

TEST_CASE("Containers: lists of podman and of docker are read alike") {
  const std::vector<ListedContainer> found = parse_list(
      "pyember-1-2-3 map[pyember.owner:0.1.2.3.b-c pyember.state:/a b]\n"
      "pyember-4-5-6 pyember.owner=0.4.5.3.b-c,pyember.state=/a\n"
      "other map[pyember.owner:0.1.2.3.b]\n"
      "pyember-7-8-9 map[]\n\n");
  REQUIRE(found.size() == 2);
  CHECK(found[0].name == "pyember-1-2-3");
  CHECK(found[0].owner == "0.1.2.3.b-c");
  CHECK(found[1].owner == "0.4.5.3.b-c");
}

TEST_CASE("Containers: an orphan is one whose server is surely gone") {
  const auto owner = [](const ProcessIdentity& server) {
    const std::string label = container_labels(server, "/s")[0];
    return label.substr(label.find('=') + 1);
  };
  const ProcessIdentity self = own_identity();
  CHECK(!is_orphan({"pyember-a", owner(self)}));
  const pid_t child = vfork();
  if (child == 0) _exit(0);
  ProcessIdentity gone = self;
  gone.pid = child;
  gone.start_ticks += 1;
  waitpid(child, nullptr, 0);
  CHECK(is_orphan({"pyember-a", owner(gone)}));
  ProcessIdentity earlier = self;  // another process had our number
  earlier.start_ticks -= 1;
  CHECK(is_orphan({"pyember-a", owner(earlier)}));
  ProcessIdentity elsewhere = gone;
  elsewhere.boot_id = "another";
  CHECK(!is_orphan({"pyember-a", owner(elsewhere)}));
  const std::string text = owner(gone);
  CHECK(!is_orphan({"pyember-a", "1" + text}));  // another user's
  CHECK(!is_orphan({"pyember-a", text.substr(0, text.rfind('.'))}));
  for (const char* nonsense : {"", "....", "a.b.c.d.e", "0.-1.1.1.b"}) {
    CHECK(!is_orphan({"pyember-a", nonsense}));
  }
}

TEST_CASE("Containers: an image that is missing is pulled beside the calls, which are told") {
  LoopFixture fixture;
  const OnlyPath path(
      {"podman"},
      "#!/bin/sh\ntest -e \"$0.ready\" || { echo 'Error: no such host' >&2; exit 125; }\n");
  ContainerPull pull(fixture.loop, find_container_runtime("").take(),
                     settings({{"MCP_BRIDGE_IMAGE", "ghcr.io/a/b"}}));
  CHECK(contains(pull.image_is_missing().message, "has been pulling it"));
  CHECK(pull.running());
  CHECK(contains(pull.image_is_missing().message, "Send the cell again"));
  REQUIRE(fixture.until([&] { return !pull.running(); }));
  const std::string failed = pull.image_is_missing().message;
  CHECK(contains(failed, "Image pull failed for ghcr.io/a/b"));
  CHECK(contains(failed, "no such host"));
  CHECK(!pull.running());
  path.write("podman.ready", "");
  CHECK(contains(pull.image_is_missing().message, "has been pulling it"));  // once more
  REQUIRE(fixture.until([&] { return !pull.running(); }));
  CHECK(contains(pull.image_is_missing().message, "has been pulling it"));
}

TEST_CASE("Containers: an image of this machine's own is not looked for elsewhere") {
  LoopFixture fixture;
  ContainerPull pull(fixture.loop, kPodman, settings({{"MCP_BRIDGE_IMAGE", "localhost/mine"}}));
  CHECK(contains(pull.image_is_missing().message, "localhost/mine is not on this machine"));
  CHECK(!pull.running());
}

#include "host/boundaries/container_failures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace pyember::host {

namespace {

constexpr std::size_t kQuotedCharacters = 400;

struct Sign {
  std::string_view text;  // in small letters
  ContainerFailure failure;
};

// What podman 4 and 5, docker 20 to 29, runc and crun say. The first that is found counts, so what
// names a cause stands before what also accompanies others.
constexpr std::array kSigns = std::to_array<Sign>({
    {"cannot connect to the docker daemon", ContainerFailure::NoService},
    {"failed to connect to the docker api", ContainerFailure::NoService},
    {"docker daemon socket", ContainerFailure::NoService},
    {"is the docker daemon running", ContainerFailure::NoService},
    {"cannot connect to podman", ContainerFailure::NoService},
    {"unable to connect to podman", ContainerFailure::NoService},
    {"no subuid ranges found", ContainerFailure::NoUserNamespaces},
    {"newuidmap", ContainerFailure::NoUserNamespaces},
    {"cannot clone", ContainerFailure::NoUserNamespaces},
    {"cannot re-exec process", ContainerFailure::NoUserNamespaces},
    {"user namespaces are not enabled", ContainerFailure::NoUserNamespaces},
    {"insufficient uids or gids", ContainerFailure::NoUserNamespaces},
    {"setting rlimit", ContainerFailure::NoRoomForLimits},
    {"setrlimit", ContainerFailure::NoRoomForLimits},
    {"pull access denied", ContainerFailure::ImageUnreachable},
    {"pinging container registry", ContainerFailure::ImageUnreachable},
    {"initializing source docker://", ContainerFailure::ImageUnreachable},
    {"unable to copy from source", ContainerFailure::ImageUnreachable},
    {"manifest unknown", ContainerFailure::ImageUnreachable},
    {"failed to resolve reference", ContainerFailure::ImageUnreachable},
    {"get \"https://", ContainerFailure::ImageUnreachable},
    {"did not resolve to an alias", ContainerFailure::ImageMissing},
    {"image not known", ContainerFailure::ImageMissing},
    {"no such image", ContainerFailure::ImageMissing},
    {"unable to find image", ContainerFailure::ImageMissing},
    {"executable file `python3` not found", ContainerFailure::NoPython},
    {"\"python3\": executable file not found", ContainerFailure::NoPython},
    {"python3: no such file or directory", ContainerFailure::NoPython},
    {"future feature annotations is not defined", ContainerFailure::NoPython},
    {"no module named", ContainerFailure::NoPython},
    {"statfs", ContainerFailure::MountRefused},
    {"error mounting", ContainerFailure::MountRefused},
    {"bind source path does not exist", ContainerFailure::MountRefused},
    {"cgroup", ContainerFailure::ControlGroups},
});

std::string in_small_letters(std::string_view text) {
  std::string small(text);
  std::transform(small.begin(), small.end(), small.begin(),
                 [](unsigned char each) { return static_cast<char>(std::tolower(each)); });
  return small;
}

// Podman goes on after these.
std::string without_warnings(const std::string& text) {
  std::string kept;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    const bool warns = line.find("level=warning") != std::string_view::npos ||
                       line.find("not supported and ignored") != std::string_view::npos;
    if (!warns) kept.append(line).push_back('\n');
    begin = end + 1;
  }
  return kept;
}

// The end of what was printed, on one line.
std::string quoted(std::string_view printed) {
  std::string text(printed.substr(printed.size() - std::min(printed.size(), kQuotedCharacters)));
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text.empty() ? "printed nothing" : "said: " + text;
}

std::string name_of(const ContainerRuntime& runtime) {
  return runtime.program.substr(runtime.program.rfind('/') + 1);
}

std::string get_an_image(const ContainerRuntime& runtime, const ContainerSettings& settings) {
  return fmt::format(
      "Pull it by hand (`{0} pull {1}`), build one with Python, pandas, matplotlib and jq (`{0} "
      "build -t pyember tools/containers`), or name one that is here with MCP_BRIDGE_IMAGE; it "
      "needs Python 3.10 or later.",
      name_of(runtime), settings.image);
}

struct Explanation {
  std::string what;
  std::string next;
};

Explanation no_service(const ContainerRuntime& runtime) {
  if (runtime.kind == ContainerRuntime::Kind::Docker) {
    return {"docker's daemon does not answer, or not to this user",
            "Start it (`systemctl start docker`), see that `docker version` works as this user, or "
            "set MCP_BRIDGE_RUNTIME=podman, which needs no daemon."};
  }
  return {"podman's machine does not answer",
          "Start it (`podman machine init`, once, then `podman machine start`), or name another "
          "runtime with MCP_BRIDGE_RUNTIME."};
}

Explanation explanation(ContainerFailure failure, const ContainerRuntime& runtime,
                        const ContainerSettings& settings) {
  switch (failure) {
    case ContainerFailure::ImageMissing:
      return {fmt::format("the image {} is not on this machine", settings.image),
              get_an_image(runtime, settings)};
    case ContainerFailure::ImageUnreachable:
      return {fmt::format("Image pull failed for {}", settings.image),
              get_an_image(runtime, settings)};
    case ContainerFailure::NoService:
      return no_service(runtime);
    case ContainerFailure::NoUserNamespaces:
      return {"this user may not make the user namespace that containers without root need",
              "Install uidmap, give the user ids (`usermod --add-subuids 100000-165535 "
              "--add-subgids 100000-165535 NAME`), and see that user namespaces are on (sysctl "
              "kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0)."};
    case ContainerFailure::NoRoomForLimits:
      return {"the runtime asks for higher limits than this server has itself",
              "Name ones that it has, PYEMBER_CONTAINER_ARGS='--ulimit nofile=1024:1024 --ulimit "
              "nproc=1024:1024', or raise those of the server (ulimit -n, ulimit -u)."};
    case ContainerFailure::ControlGroups:
      return {"the runtime can't use this machine's control groups",
              "Try another low-level runtime (PYEMBER_CONTAINER_GLOBAL_ARGS='--runtime runc') or "
              "manager (PYEMBER_CONTAINER_GLOBAL_ARGS='--cgroup-manager cgroupfs')."};
    case ContainerFailure::NoPython:
      return {fmt::format("the image {} has no python3 that can run a session", settings.image),
              get_an_image(runtime, settings)};
    case ContainerFailure::MountRefused:
      return {"the runtime could not mount a folder that the session needs",
              "See that the user who runs it can read the folder named below."};
    case ContainerFailure::Unknown:
      break;
  }
  return {"the runtime gave up before the session was ready",
          fmt::format("See that `{} run --rm {} python3 --version` works; more arguments can be "
                      "given with PYEMBER_CONTAINER_ARGS and PYEMBER_CONTAINER_GLOBAL_ARGS.",
                      name_of(runtime), settings.image)};
}

}  // namespace

ContainerFailure container_failure(std::string_view printed) {
  const std::string small = without_warnings(in_small_letters(printed));
  for (const Sign& sign : kSigns) {
    if (small.find(sign.text) != std::string::npos) return sign.failure;
  }
  return ContainerFailure::Unknown;
}

Error container_error(ContainerFailure failure, const ContainerRuntime& runtime,
                      const ContainerSettings& settings, std::string_view printed) {
  const Explanation known = explanation(failure, runtime, settings);
  return {ErrorCode::Unavailable,
          fmt::format("No container could be started with {}: {}. {} Or use the built-in sandbox, "
                      "which needs no image: isolation=\"sandbox\" with the call, or a server "
                      "started without MCP_BRIDGE_RUNTIME. ({} {}.)",
                      runtime.program, known.what, known.next, name_of(runtime), quoted(printed))};
}

}  // namespace pyember::host

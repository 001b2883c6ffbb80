#include "host/boundaries/container_orphans.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/limits.h"

namespace pyember::host {

namespace {

constexpr std::string_view kOwnerLabel = "pyember.owner";

// Two processes may have the same number in two namespaces of one machine.
std::uint64_t process_namespace() {
  struct stat status {};
  return stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

std::string owner_text(const ProcessIdentity& server) {
  return fmt::format("{}.{}.{}.{}.{}", geteuid(), server.pid, server.start_ticks,
                     process_namespace(), server.boot_id);
}

std::vector<std::string_view> parts_of(std::string_view text, char divider) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(divider);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

template <typename Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string container_name(const ProcessIdentity& server, std::uint64_t instance) {
  return fmt::format("pyember-{}-{}-{}", server.pid, server.start_ticks, instance);
}

std::vector<std::string> container_labels(const ProcessIdentity& server,
                                          const std::string& state_directory) {
  return {fmt::format("{}={}", kOwnerLabel, owner_text(server)),
          fmt::format("pyember.state={}", state_directory)};
}

std::vector<std::string> list_command(const ContainerRuntime& runtime,
                                      const ContainerSettings& settings) {
  std::vector<std::string> words{runtime.program};
  words.insert(words.end(), settings.global_arguments.begin(), settings.global_arguments.end());
  for (const std::string& word : {std::string("ps"), std::string("--all"), std::string("--filter"),
                                  fmt::format("label={}", kOwnerLabel), std::string("--format"),
                                  std::string("{{.Names}} {{.Labels}}")}) {
    words.push_back(word);
  }
  return words;
}

// podman writes labels as map[pyember.owner:VALUE …], docker as pyember.owner=VALUE,….
std::vector<ListedContainer> parse_list(std::string_view output) {
  std::vector<ListedContainer> found;
  for (const std::string_view line : parts_of(output, '\n')) {
    const std::size_t label = line.find(kOwnerLabel);
    if (label == std::string_view::npos || !line.starts_with("pyember-")) continue;
    const std::string_view value =
        line.substr(std::min(label + kOwnerLabel.size() + 1, line.size()));
    found.push_back({std::string(line.substr(0, line.find(' '))),
                     std::string(value.substr(0, value.find_first_of(" ,]")))});
  }
  return found;
}

bool is_orphan(const ListedContainer& container) {
  const std::vector<std::string_view> parts = parts_of(container.owner, '.');
  if (parts.size() != 5) return false;
  const auto user = number<uid_t>(parts[0]);
  const auto pid = number<pid_t>(parts[1]);
  const auto ticks = number<std::uint64_t>(parts[2]);
  const auto space = number<std::uint64_t>(parts[3]);
  if (!user || !pid || !ticks || !space || *pid <= 0) return false;
  if (*user != geteuid() || *space != process_namespace()) return false;
  const ProcessIdentity server{*pid, *ticks, std::string(parts[4])};
  return server.boot_id == own_identity().boot_id && !is_alive(server);
}

ContainerOrphans::ContainerOrphans(EventLoop& loop, ContainerRuntime runtime,
                                   ContainerSettings settings,
                                   std::function<void(std::size_t)> done)
    : loop_(loop),
      runtime_(std::move(runtime)),
      settings_(std::move(settings)),
      done_(std::move(done)) {
  start(list_command(runtime_, settings_), [this](const CommandEnd& end) { listed(end); });
}

ContainerOrphans::~ContainerOrphans() = default;

void ContainerOrphans::start(std::vector<std::string> command, HelperCommand::Done done) {
  auto& place = listing_ ? removal_ : listing_;
  place = std::make_unique<HelperCommand>(
      loop_,
      HelperCommand::Settings{std::move(command), helper_environment(), "/",
                              limits::kContainerListDeadline},
      std::move(done));
}

void ContainerOrphans::listed(const CommandEnd& end) {
  std::vector<std::string> names;
  if (end.exit_code == 0 && end.start_error.empty()) {
    for (const ListedContainer& each : parse_list(end.output)) {
      if (is_orphan(each)) names.push_back(each.name);
    }
  }
  if (names.empty()) return finish(0);
  start(remove_command(runtime_, settings_, names),
        [this, count = names.size()](const CommandEnd& removed) {
          finish(removed.exit_code == 0 ? count : 0);
        });
}

void ContainerOrphans::finish(std::size_t removed) {
  if (done_) done_(removed);
}

}  // namespace pyember::host

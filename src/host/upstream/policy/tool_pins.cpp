#include "host/upstream/policy/tool_pins.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "base/file_io.h"
#include "base/limits.h"
#include "base/unique_fd.h"
#include "host/export/export_file.h"
#include "host/loop/pool_work.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr std::size_t kIdDigits = 12;

// The fingerprint is ours, but a name of a file is no place to trust anybody.
bool is_file_name(const std::string& fingerprint) {
  constexpr std::string_view kDigits = "0123456789abcdefABCDEF";
  return !fingerprint.empty() && fingerprint.find_first_not_of(kDigits) == std::string::npos;
}

// Empty: it can't be read, or is too long to be ours.
std::string read_whole(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  const auto size = static_cast<std::size_t>(status.st_size);
  return size <= limits::kPinFileBytes ? read_at(file.get(), 0, size) : std::string();
}

bool make_folder(const std::string& folder) {
  std::error_code failed;
  std::filesystem::create_directories(std::filesystem::path(folder).parent_path(), failed);
  return mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST;
}

}  // namespace

ToolPins::ToolPins(EventLoop& loop, std::string folder) : loop_(loop), folder_(std::move(folder)) {}

void ToolPins::seen(const std::string& server, const std::string& fingerprint, const Json& tools) {
  Pin& pin = pins_[server];
  pin.now = pinned_tools(tools);
  pin.change.reset();
  if (pin.fingerprint != fingerprint) {
    pin.fingerprint = fingerprint;
    std::optional<PinnedTools> kept = read_file(fingerprint);
    const bool first = !kept.has_value();
    pin.pinned = first ? pin.now : std::move(*kept);
    if (first) write_file(server, pin);
  }
  if (pin.now == pin.pinned) return;
  pin.change =
      Change{digest_of(pin.now).substr(0, kIdDigits), describe_changes(pin.pinned, pin.now)};
  spdlog::warn("upstream_tools_changed server=\"{}\" change={}", server, pin.change->id);
}

const ToolPins::Change* ToolPins::change(const std::string& server) const {
  const auto found = pins_.find(server);
  const bool changed = found != pins_.end() && found->second.change.has_value();
  return changed ? &*found->second.change : nullptr;
}

bool ToolPins::blocks(const std::string& server, const std::string& tool) const {
  if (change(server) == nullptr) return false;
  const Pin& pin = pins_.at(server);
  const auto before = pin.pinned.find(tool);
  const auto now = pin.now.find(tool);
  const bool same =
      before != pin.pinned.end() && now != pin.now.end() && before->second == now->second;
  return !same || !now->second.only_reads;
}

bool ToolPins::accept(const std::string& server, const std::string& id) {
  const Change* known = change(server);
  if (known == nullptr || known->id != id) return false;
  Pin& pin = pins_.at(server);
  pin.pinned = pin.now;
  pin.change.reset();
  write_file(server, pin);
  return true;
}

std::string ToolPins::path_of(const std::string& fingerprint) const {
  if (folder_.empty() || !is_file_name(fingerprint)) return {};
  return fmt::format("{}/{}.json", folder_, fingerprint);
}

std::optional<PinnedTools> ToolPins::read_file(const std::string& fingerprint) const {
  const std::string path = path_of(fingerprint);
  if (path.empty()) return std::nullopt;
  const Result<Json> file = mcp::parse_json(read_whole(path));
  if (!file || !file.value().is_object()) return std::nullopt;
  const auto tools = file.value().find("tools");
  if (tools == file.value().end() || !tools->is_array()) return std::nullopt;
  return from_json(*tools);
}

void ToolPins::write_file(const std::string& server, const Pin& pin) {
  const std::string path = path_of(pin.fingerprint);
  if (path.empty()) return;
  const Json file = {{"server", server}, {"tools", to_json(pin.pinned)}};
  run_in_pool(
      loop_,
      [path, folder = folder_, server, text = mcp::to_json_text(file)] {
        const Result<void> written =
            make_folder(folder) ? write_file_at_once(path, text, true)
                                : Error{ErrorCode::Unavailable, "its folder can't be made"};
        if (!written) {
          spdlog::warn("upstream_tools_not_pinned server=\"{}\" reason=\"{}\"", server,
                       written.error().message);
        }
      },
      nullptr);
}

}  // namespace pyember::host

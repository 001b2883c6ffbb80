#include "host/workers/zygote_start.h"

#include <fmt/format.h>
#include <unistd.h>

#include <string_view>
#include <utility>
#include <vector>

#include "base/own_environment.h"
#include "host/options.h"
#include "host/workers/control_channel.h"

namespace pyember::host {

namespace {

std::vector<std::string> zygote_environment(const std::string& runtime_directory) {
  std::vector<std::string> found{"PYTHONPATH=" + runtime_directory,
                                 "PYEMBER_BUNDLED=" + find_bundled_directory()};
  for (const auto& [name, value] : own_environment()) {
    if (name != "PYTHONPATH" && name != "PYTHONHOME" && name != "PYEMBER_BUNDLED")
      found.push_back(fmt::format("{}={}", name, value));
  }
  return found;
}

}  // namespace

Result<StartedZygote> start_zygote(const std::string& python,
                                   const std::string& runtime_directory) {
  Result<ControlChannel> channel = ControlChannel::open();
  if (!channel) return channel.error();
  const std::string number = std::to_string(ControlChannel::kNumber);
  return channel.value().start({{python, "-m", "mcp_runtime.worker", "--control", number},
                                zygote_environment(runtime_directory)},
                               nullptr,
                               {"No worker could be started",
                                "Name a Python that is installed, or make the environment again."});
}

}  // namespace pyember::host

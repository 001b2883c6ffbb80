#include "cli/doctor/command_output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/limits.h"
#include "host/environments/helper_command.h"

namespace pyember::cli {

CommandOutput output_of(host::EventLoop& loop, std::vector<std::string> command) {
  host::HelperCommand::Settings settings;
  settings.command = std::move(command);
  settings.environment = host::helper_environment();
  settings.directory = "/";
  settings.deadline = limits::kDoctorCommandDeadline;
  host::CommandEnd end;
  bool ended = false;
  host::HelperCommand running(loop, std::move(settings), [&](host::CommandEnd how) {
    end = std::move(how);
    ended = true;
    loop.stop();
  });
  if (!ended) loop.run();
  end.output.erase(end.output.find_last_not_of('\n') + 1);
  CommandOutput output;
  output.ok = ended && end.start_error.empty() && !end.timed_out && end.exit_code == 0;
  output.text = std::move(end.output);
  if (output.ok) return output;
  if (!ended) {
    output.error = "could not be started";
  } else if (!end.start_error.empty()) {
    output.error = end.start_error;
  } else if (end.timed_out) {
    output.error = "did not end in time";
  } else {
    output.error = fmt::format("ended with exit code {}", end.exit_code);
  }
  return output;
}

std::string own_program() {
  std::error_code failed;
  return std::filesystem::read_symlink("/proc/self/exe", failed).string();
}

std::string program_on_path(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    if (!folder.starts_with('/')) continue;
    std::string program = fmt::format("{}/{}", folder, name);
    std::error_code failed;
    if (std::filesystem::is_regular_file(program, failed) && access(program.c_str(), X_OK) == 0) {
      return program;
    }
  }
  return {};
}

}  // namespace pyember::cli

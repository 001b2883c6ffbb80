#include "host/boundaries/caller_paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace pyember::host {

Result<void> CallerPaths::check_reading(std::string_view argument, const std::string& path,
                                        std::string_view instead) const {
  if (any) return {};
  std::error_code failed;
  const std::string real = std::filesystem::weakly_canonical(path, failed).string();
  const auto holds = [&](const AllowedPath& each) {
    return !each.writable && is_in(real, each.outside);
  };
  if (!failed && std::any_of(shown.begin(), shown.end(), holds)) return {};
  return Error{ErrorCode::InvalidArgument,
               fmt::format("{} {} can't be used, because this server keeps its callers apart: they "
                           "name no files of its machine but those that --sandbox-path shows to be "
                           "read.\n{}",
                           argument, path, instead)};
}

Result<void> CallerPaths::check_writing(std::string_view argument, const std::string& path,
                                        std::string_view instead) const {
  if (any) return {};
  return Error{ErrorCode::InvalidArgument,
               fmt::format("{} {} is not written to, because this server keeps its callers apart: "
                           "it writes to no files of its machine for them.\n{}",
                           argument, path, instead)};
}

}  // namespace pyember::host

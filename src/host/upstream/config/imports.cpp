#include "host/upstream/config/imports.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/limits.h"
#include "host/scripts/text_file.h"
#include "mcp/json.h"
#include "mcp/json_members.h"

namespace pyember::host {

namespace fs = std::filesystem;
using mcp::Json;

namespace {

std::string real_path(const std::string& path) {
  std::error_code failed;
  const std::string resolved = fs::weakly_canonical(path, failed).string();
  return failed ? path : resolved;
}

}  // namespace

Result<ImportedFiles> ImportedFiles::load(const std::string& path) {
  ImportedFiles imports;
  imports.path_ = path;
  const Result<std::string> text = read_text_file(path, limits::kMaximumConfigurationBytes);
  if (!text && text.error().code == ErrorCode::NotFound) return imports;
  if (!text) return text.error();
  const Result<Json> whole = mcp::parse_json(text.value());
  const bool has_list = whole && whole.value().is_object() && whole.value().contains("files") &&
                        whole.value()["files"].is_array();
  if (!has_list) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("{} is not read, because it is no list of imported files; files of "
                             "clients and projects count as not imported. Remove it, and import "
                             "them again with pyember upstreams import.",
                             path)};
  }
  for (const Json& file : whole.value()["files"]) {
    if (imports.files_.size() >= limits::kMaximumImportedFiles) break;
    const std::string name = mcp::text_in(file, "path");
    if (!name.empty()) imports.files_[name] = mcp::text_in(file, "sha256");
  }
  return imports;
}

Result<void> ImportedFiles::save() const {
  Json list = Json::array();
  for (const auto& [path, digest] : files_) {
    Json file{{"path", path}};
    if (!digest.empty()) file["sha256"] = digest;
    list.push_back(std::move(file));
  }
  const Json whole{{"files", std::move(list)}};
  const Result<void> folder = make_folder(fs::path(path_).parent_path().string());
  if (!folder) return folder;
  return write_text_file(path_, whole.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

bool ImportedFiles::allows(const ConfigFile& file, const std::string& digest) const {
  const auto found = files_.find(real_path(file.path));
  if (found == files_.end()) return false;
  return file.owner != ConfigOwner::Project || found->second == digest;
}

bool ImportedFiles::has(const std::string& path) const {
  return files_.find(real_path(path)) != files_.end();
}

void ImportedFiles::add(const ConfigFile& file, const std::string& digest) {
  files_[real_path(file.path)] = file.owner == ConfigOwner::Project ? digest : "";
}

bool ImportedFiles::remove(const std::string& path) { return files_.erase(real_path(path)) > 0; }

}  // namespace pyember::host

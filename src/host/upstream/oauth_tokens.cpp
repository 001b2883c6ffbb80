#include "host/upstream/oauth_tokens.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/file_io.h"
#include "base/limits.h"
#include "base/sha256.h"
#include "mcp/json_members.h"

namespace pyember::host {

namespace {

constexpr int kFormat = 1;

mcp::Json to_json(const OAuthTokens& tokens) {
  return {{"format", kFormat},
          {"server", tokens.server},
          {"issuer", tokens.issuer},
          {"token_endpoint", tokens.token_endpoint},
          {"client_id", tokens.client_id},
          {"client_secret", tokens.client_secret},
          {"client_auth", tokens.client_auth},
          {"resource", tokens.resource},
          {"access_token", tokens.access_token},
          {"refresh_token", tokens.refresh_token},
          {"expires_at", tokens.expires_at},
          {"scope", tokens.scope},
          {"wanted_scope", tokens.wanted_scope}};
}

OAuthTokens from_json(const mcp::Json& json) {
  using mcp::text_in;
  return {.server = text_in(json, "server"),
          .issuer = text_in(json, "issuer"),
          .token_endpoint = text_in(json, "token_endpoint"),
          .client_id = text_in(json, "client_id"),
          .client_secret = text_in(json, "client_secret"),
          .client_auth = text_in(json, "client_auth"),
          .resource = text_in(json, "resource"),
          .access_token = text_in(json, "access_token"),
          .refresh_token = text_in(json, "refresh_token"),
          .expires_at = static_cast<std::int64_t>(mcp::number_in(json, "expires_at")),
          .scope = text_in(json, "scope"),
          .wanted_scope = text_in(json, "wanted_scope")};
}

bool only_ours(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
         (status.st_mode & 077) == 0;
}

bool make_private_folder(const std::string& folder) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(folder).parent_path(), ignored);
  if (mkdir(folder.c_str(), 0700) == 0) return true;
  return errno == EEXIST && chmod(folder.c_str(), 0700) == 0;
}

}  // namespace

OAuthTokenFile::OAuthTokenFile(const std::string& folder, std::string server)
    : server_(std::move(server)),
      folder_(folder),
      path_(folder.empty() ? "" : folder + "/" + sha256_hex(server_).substr(0, 32) + ".json") {}

OAuthTokens OAuthTokenFile::read() const {
  if (path_.empty()) return {};
  const UniqueFd file(open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file || !only_ours(file.get())) return {};
  const Result<mcp::Json> json = mcp::parse_json(read_at(file.get(), 0, limits::kOAuthBytes));
  if (!json || mcp::number_in(json.value(), "format") != kFormat) return {};
  OAuthTokens tokens = from_json(json.value());
  return tokens.server == server_ ? tokens : OAuthTokens{};
}

Result<void> OAuthTokenFile::write(const OAuthTokens& tokens) const {
  const auto failed = [this](const char* what) {
    return Error{ErrorCode::Unavailable,
                 fmt::format("The tokens could not be stored: {} {} failed ({}). See who owns that "
                             "folder and whether there is room.",
                             what, path_, strerror(errno))};
  };
  if (path_.empty()) {
    errno = ENOENT;
    return failed("finding a place for");
  }
  if (!make_private_folder(folder_)) return failed("making the folder of");
  const std::string aside = fmt::format("{}.{}", path_, getpid());
  ::unlink(aside.c_str());
  const UniqueFd file(
      open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return failed("making");
  if (!write_all(file.get(), mcp::to_json_text(to_json(tokens)) + "\n") || fsync(file.get()) != 0 ||
      ::rename(aside.c_str(), path_.c_str()) != 0) {
    const Error error = failed("writing");
    ::unlink(aside.c_str());
    return error;
  }
  return {};
}

bool OAuthTokenFile::remove() const { return !path_.empty() && ::unlink(path_.c_str()) == 0; }

UniqueFd OAuthTokenFile::try_lock() const {
  if (path_.empty() || !make_private_folder(folder_)) return {};
  UniqueFd lock(open((path_ + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (lock && flock(lock.get(), LOCK_EX | LOCK_NB) != 0) lock.reset();
  return lock;
}

}  // namespace pyember::host

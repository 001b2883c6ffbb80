#include "host/http/gate/token_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/file_io.h"
#include "base/limits.h"
#include "base/random_hex.h"
#include "base/unique_fd.h"
#include "host/http/gate/scopes.h"
#include "mcp/json_members.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr int kFormat = 1;
constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kHashDigits = 64;
constexpr std::size_t kIdDigits = 8;

bool is_hexadecimal(std::string_view text, std::size_t digits) {
  return text.size() == digits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Nullopt: it is no time.
std::optional<std::int64_t> time_in(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  const double seconds = found->get<double>();
  constexpr double kFarAway = 1e15;
  if (!(seconds >= 0 && seconds < kFarAway)) return std::nullopt;
  return static_cast<std::int64_t>(seconds);
}

// Nullopt: it is not what we wrote. Nothing is guessed: what is mistyped must let nobody in.
std::optional<AccessToken> read_token(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  AccessToken token{.id = mcp::text_in(json, "id"),
                    .name = mcp::text_in(json, "name"),
                    .hash = mcp::text_in(json, "hash"),
                    .scopes = mcp::texts_in(json, "scopes")};
  const std::optional<std::int64_t> created = time_in(json, "created_at");
  const std::optional<std::int64_t> expires = time_in(json, "expires_at");
  if (!is_hexadecimal(token.id, kIdDigits) || !is_hexadecimal(token.hash, kHashDigits) ||
      !is_caller_name(token.name) || !created || !expires ||
      token.scopes.size() > limits::kAccessScopes ||
      !std::all_of(token.scopes.begin(), token.scopes.end(), is_scope)) {
    return std::nullopt;
  }
  token.created_at = *created;
  token.expires_at = *expires;
  return token;
}

Json to_json(const std::vector<AccessToken>& tokens) {
  Json list = Json::array();
  for (const AccessToken& each : tokens) {
    list.push_back({{"id", each.id},
                    {"name", each.name},
                    {"hash", each.hash},
                    {"scopes", each.scopes},
                    {"created_at", each.created_at},
                    {"expires_at", each.expires_at}});
  }
  return {{"format", kFormat}, {"tokens", std::move(list)}};
}

Error unusable(const std::string& path, std::string_view why, std::string_view advice) {
  return {ErrorCode::Unavailable,
          fmt::format("The file of tokens {} can't be used: {}. {}", path, why, advice)};
}

Error damaged(const std::string& path) {
  return unusable(path, "it is not what `pyember tokens` writes",
                  "Bring back a copy of it, or remove it and make new tokens.");
}

Error failed(const std::string& path, const char* what) {
  return {ErrorCode::Unavailable,
          fmt::format("The file of tokens {} could not be written: {} failed ({}). See who owns "
                      "its folder, and whether there is room.",
                      path, what, strerror(errno))};
}

// Empty: nobody else can have written it.
std::string too_open(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return "it is no file";
  if (status.st_uid != geteuid()) return "it belongs to somebody else";
  if ((status.st_mode & 077) != 0) return "others may read or write it";
  if (static_cast<std::size_t>(status.st_size) > limits::kTokenFileBytes) return "it is too large";
  return {};
}

}  // namespace

std::string make_token() { return std::string(kTokenMark) + random_hex(kTokenBytes); }

bool is_caller_name(std::string_view name) {
  constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-";
  return !name.empty() && name.size() <= limits::kCallerNameBytes &&
         name.find_first_not_of(kLetters) == std::string_view::npos;
}

Result<std::vector<AccessToken>> TokenFile::read() const {
  const UniqueFd file(open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file && errno == ENOENT) {
    return Error{ErrorCode::NotFound,
                 fmt::format("There is no file of tokens at {}. Make it with `pyember tokens add "
                             "NAME`.",
                             path_)};
  }
  if (!file) return unusable(path_, strerror(errno), "See who owns it.");
  if (const std::string why = too_open(file.get()); !why.empty()) {
    return unusable(path_, why,
                    "It must be a file of the user the server runs as, with the mode 0600.");
  }
  const Result<Json> json = mcp::parse_json(read_at(file.get(), 0, limits::kTokenFileBytes));
  if (!json || !json.value().is_object() || mcp::number_in(json.value(), "format") != kFormat) {
    return damaged(path_);
  }
  const auto list = json.value().find("tokens");
  if (list == json.value().end() || !list->is_array() || list->size() > limits::kAccessTokens) {
    return damaged(path_);
  }
  std::vector<AccessToken> tokens;
  for (const Json& each : *list) {
    std::optional<AccessToken> token = read_token(each);
    if (!token) return damaged(path_);
    tokens.push_back(std::move(*token));
  }
  return tokens;
}

Result<void> TokenFile::change(const Change& change) const {
  std::error_code ignored;
  const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  if (!folder.empty() && !std::filesystem::exists(folder, ignored)) {
    std::filesystem::create_directories(folder.parent_path(), ignored);
    if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return failed(path_, "mkdir");
  }
  const UniqueFd lock(
      open((path_ + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock || flock(lock.get(), LOCK_EX) != 0) return failed(path_, "locking");
  Result<std::vector<AccessToken>> tokens = read();
  if (!tokens && tokens.error().code != ErrorCode::NotFound) return tokens.error();
  std::vector<AccessToken> list = tokens ? tokens.take() : std::vector<AccessToken>();
  if (Result<void> changed = change(list); !changed) return changed;
  return write(list);
}

Result<void> TokenFile::write(const std::vector<AccessToken>& tokens) const {
  const std::string aside = fmt::format("{}.{}", path_, getpid());
  ::unlink(aside.c_str());
  const UniqueFd file(
      open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return failed(path_, "open");
  if (write_all(file.get(), to_json(tokens).dump(2) + "\n") && fsync(file.get()) == 0 &&
      ::rename(aside.c_str(), path_.c_str()) == 0) {
    return {};
  }
  const Error error = failed(path_, "writing");
  ::unlink(aside.c_str());
  return error;
}

}  // namespace pyember::host

#include "host/upstream/oauth_tokens.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/pyember-tokens-XXXXXX";
    top = mkdtemp(name);
    path = top + "/state/tokens";
  }
  ~Folder() { std::filesystem::remove_all(top); }
  std::string only_file() const {
    std::string found;
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      CHECK(found.empty());
      found = entry.path();
    }
    return found;
  }
  std::string top, path;
};

OAuthTokens some() {
  OAuthTokens tokens;
  tokens.server = "https://h/mcp";
  tokens.access_token = "access";
  tokens.refresh_token = "refresh";
  tokens.expires_at = 1'900'000'000;
  tokens.wanted_scope = "a b";
  return tokens;
}

mode_t mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 0777;
}

}  // namespace

TEST_CASE("OAuthTokenFile: what is written can be read, by nobody else", "[oauth]") {
  const Folder folder;
  const OAuthTokenFile file(folder.path, "https://h/mcp");
  CHECK(file.read().server.empty());
  const mode_t before = umask(0);
  REQUIRE(file.write(some()));
  umask(before);
  const OAuthTokens tokens = file.read();
  CHECK(tokens.access_token == "access");
  CHECK(tokens.expires_at == 1'900'000'000);
  CHECK(tokens.wanted_scope == "a b");
  CHECK(mode_of(folder.only_file()) == 0600);
  CHECK(mode_of(folder.path) == 0700);
  CHECK(file.remove());
  CHECK_FALSE(file.remove());
}

TEST_CASE("OAuthTokenFile: a token is for one server only", "[oauth]") {
  const Folder folder;
  REQUIRE(OAuthTokenFile(folder.path, "https://h/mcp").write(some()));
  CHECK(OAuthTokenFile(folder.path, "https://other/mcp").read().access_token.empty());
  // Not even when its file is put in the other's place.
  const std::string path = folder.only_file();
  REQUIRE(OAuthTokenFile(folder.path, "https://other/mcp").write(some()));
  CHECK(OAuthTokenFile(folder.path, "https://other/mcp").read().access_token.empty());
}

TEST_CASE("OAuthTokenFile: a file that others may read, a link or a damaged one is not used",
          "[oauth]") {
  const Folder folder;
  const OAuthTokenFile file(folder.path, "https://h/mcp");
  REQUIRE(file.write(some()));
  const std::string path = folder.only_file();
  chmod(path.c_str(), 0640);
  CHECK(file.read().access_token.empty());
  chmod(path.c_str(), 0600);
  CHECK(file.read().access_token == "access");
  std::filesystem::rename(path, folder.top + "/elsewhere");
  std::filesystem::create_symlink(folder.top + "/elsewhere", path);
  CHECK(file.read().access_token.empty());
  std::filesystem::remove(path);
  REQUIRE(file.write(some()));
  std::ofstream(path) << "{\"format\":1,";
  CHECK(file.read().access_token.empty());
}

TEST_CASE("OAuthTokenFile: one process at a time holds the lock", "[oauth]") {
  const Folder folder;
  const OAuthTokenFile file(folder.path, "https://h/mcp");
  UniqueFd lock = file.try_lock();
  CHECK(static_cast<bool>(lock));
  CHECK_FALSE(static_cast<bool>(file.try_lock()));
  lock.reset();
  CHECK(static_cast<bool>(file.try_lock()));
}

TEST_CASE("OAuthTokenFile: without a folder there is nothing, and an error says so", "[oauth]") {
  const OAuthTokenFile file("", "https://h/mcp");
  CHECK(file.read().server.empty());
  CHECK_FALSE(file.write(some()));
  CHECK_FALSE(static_cast<bool>(file.try_lock()));
}

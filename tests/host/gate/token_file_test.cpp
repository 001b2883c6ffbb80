#include "host/http/gate/token_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/sha256.h"
#include "support/catch.h"
#include "temporary_folder.h"

using namespace pyember;
using namespace pyember::host;

namespace {

AccessToken some(const std::string& name = "alice") {
  return {.id = "0123abcd",
          .name = name,
          .hash = sha256_hex("token"),
          .scopes = {"tools:*"},
          .created_at = 1'700'000'000};
}

Result<void> add(const TokenFile& file, AccessToken token) {
  return file.change([&](std::vector<AccessToken>& tokens) -> Result<void> {
    tokens.push_back(std::move(token));
    return {};
  });
}

void write(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
  chmod(path.c_str(), 0600);
}

}  // namespace

TEST_CASE("make_token: 256 bits that begin with their mark, never the same", "[gate]") {
  const std::string token = make_token();
  CHECK(token.starts_with("pye_"));
  CHECK(token.size() == 4 + 64);
  CHECK(make_token() != token);
}

TEST_CASE("is_caller_name: what can be typed and read", "[gate]") {
  CHECK(is_caller_name("alice@example.com"));
  CHECK(is_caller_name(std::string(64, 'a')));
  for (const std::string& name :
       {std::string(), std::string("a b"), std::string("a/b"), std::string("a\n"),
        std::string("\xc3\xa4"), std::string(65, 'a'), std::string("a\"b")}) {
    CHECK_FALSE(is_caller_name(name));
  }
}

TEST_CASE("TokenFile: what is written can be read, by nobody else", "[gate]") {
  const TemporaryFolder folder;
  const TokenFile file(folder.path + "/config/tokens.json");
  CHECK(file.read().error().code == ErrorCode::NotFound);
  const mode_t before = umask(0);
  REQUIRE(add(file, some()));
  umask(before);
  REQUIRE(add(file, some("bob")));
  const auto tokens = file.read();
  REQUIRE(tokens);
  REQUIRE(tokens.value().size() == 2);
  CHECK(tokens.value()[0].name == "alice");
  CHECK(tokens.value()[0].scopes == std::vector<std::string>{"tools:*"});
  CHECK(tokens.value()[1].name == "bob");
  struct stat status {};
  REQUIRE(stat(file.path().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  REQUIRE(stat((folder.path + "/config").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
}

TEST_CASE("TokenFile: a change that fails changes nothing", "[gate]") {
  const TemporaryFolder folder;
  const TokenFile file(folder.path + "/tokens.json");
  REQUIRE(add(file, some()));
  CHECK_FALSE(file.change([](std::vector<AccessToken>& tokens) -> Result<void> {
    tokens.clear();
    return Error{ErrorCode::NotFound, "no"};
  }));
  CHECK(file.read().value().size() == 1);
}

TEST_CASE("TokenFile: a file that others can read or write is not used", "[gate]") {
  const TemporaryFolder folder;
  const TokenFile file(folder.path + "/tokens.json");
  REQUIRE(add(file, some()));
  for (const mode_t mode : {0640, 0604, 0620, 0602, 0666}) {
    REQUIRE(chmod(file.path().c_str(), mode) == 0);
    const auto read = file.read();
    REQUIRE_FALSE(read);
    CHECK(read.error().message.find("0600") != std::string::npos);
    CHECK_FALSE(add(file, some("mallory")));
  }
}

TEST_CASE("TokenFile: what is no file of tokens is not guessed at", "[gate]") {
  const TemporaryFolder folder;
  const TokenFile file(folder.path + "/tokens.json");
  const std::string hash = sha256_hex("token");
  const std::string good = R"({"format":1,"tokens":[{"id":"0123abcd","name":"a","hash":")" + hash +
                           R"(","scopes":[],"created_at":1,"expires_at":0}]})";
  write(file.path(), good);
  REQUIRE(file.read());
  const auto with = [&](const std::string& old, const std::string& replacement) {
    std::string text = good;
    return text.replace(text.find(old), old.size(), replacement);
  };
  for (const std::string& bad :
       {std::string(), std::string("{"), std::string("[]"), std::string("{\"format\":1}"),
        with("\"format\":1", "\"format\":2"), with("[{", "{\"a\":{").substr(0, 10),
        with("\"expires_at\":0", "\"expires_at\":\"never\""),
        with("\"expires_at\":0", "\"expires_at\":-1"), with(",\"expires_at\":0", ""),
        with("[]", "[\"admin\"]"), with(hash, "abc"), with("\"a\"", "\"a b\""),
        with("0123abcd", "0123ABCD"), with("\"expires_at\":0", "\"expires_at\":1e300")}) {
    INFO(bad);
    write(file.path(), bad);
    CHECK_FALSE(file.read());
  }
}

TEST_CASE("TokenFile: neither a folder nor a pipe is read", "[gate]") {
  const TemporaryFolder folder;
  CHECK_FALSE(TokenFile(folder.path).read());
  const std::string pipe = folder.path + "/pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_FALSE(TokenFile(pipe).read());
}

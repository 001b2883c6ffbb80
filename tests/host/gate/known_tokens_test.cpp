#include "host/http/gate/known_tokens.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/sha256.h"
#include "support/catch.h"
#include "temporary_folder.h"

using namespace pyember;
using namespace pyember::host;

namespace {

constexpr std::int64_t kNow = 1'800'000'000;

struct Tokens {
  void add(const std::string& id, const std::string& text, std::int64_t expires_at = 0) {
    REQUIRE(file.change([&](std::vector<AccessToken>& all) -> Result<void> {
      all.push_back({id, "alice", sha256_hex(text), {"code"}, 1, expires_at});
      return {};
    }));
  }
  void clear() {
    REQUIRE(file.change([](std::vector<AccessToken>& all) -> Result<void> {
      all.clear();
      return {};
    }));
  }

  TemporaryFolder folder;
  TokenFile file{folder.path + "/tokens.json"};
  KnownTokens known{folder.path + "/tokens.json"};
};

}  // namespace

TEST_CASE("KnownTokens: a token is found by what it is, and by nothing else", "[gate]") {
  Tokens tokens;
  tokens.add("00000001", "pye_one");
  tokens.add("00000002", "pye_two");
  REQUIRE(tokens.known.find("pye_two", kNow) != nullptr);
  CHECK(tokens.known.find("pye_two", kNow)->id == "00000002");
  for (const std::string& wrong :
       {std::string(), std::string("pye_"), std::string("pye_tw"), std::string("pye_two "),
        std::string("PYE_TWO"), sha256_hex("pye_two"), std::string("00000002")}) {
    CHECK(tokens.known.find(wrong, kNow) == nullptr);
  }
}

TEST_CASE("KnownTokens: an expired token is none", "[gate]") {
  Tokens tokens;
  tokens.add("00000001", "pye_one", kNow);
  CHECK(tokens.known.find("pye_one", kNow - 1) != nullptr);
  CHECK(tokens.known.has("00000001", kNow - 1));
  CHECK(tokens.known.find("pye_one", kNow) == nullptr);
  CHECK_FALSE(tokens.known.has("00000001", kNow));
}

TEST_CASE("KnownTokens: what is added or removed later counts at once", "[gate]") {
  Tokens tokens;
  CHECK(tokens.known.find("pye_one", kNow) == nullptr);
  tokens.add("00000001", "pye_one");
  CHECK(tokens.known.find("pye_one", kNow) != nullptr);
  tokens.add("00000002", "pye_two");
  CHECK(tokens.known.find("pye_two", kNow) != nullptr);
  tokens.clear();
  CHECK(tokens.known.find("pye_one", kNow) == nullptr);
  CHECK_FALSE(tokens.known.has("00000001", kNow));
}

TEST_CASE("KnownTokens: a file that has gone or is open to others lets nobody in", "[gate]") {
  Tokens tokens;
  tokens.add("00000001", "pye_one");
  REQUIRE(tokens.known.find("pye_one", kNow) != nullptr);
  REQUIRE(chmod(tokens.file.path().c_str(), 0644) == 0);
  CHECK(tokens.known.find("pye_one", kNow) == nullptr);
  REQUIRE(chmod(tokens.file.path().c_str(), 0600) == 0);
  CHECK(tokens.known.find("pye_one", kNow) != nullptr);
  REQUIRE(unlink(tokens.file.path().c_str()) == 0);
  CHECK(tokens.known.find("pye_one", kNow) == nullptr);
}

#include "host/http/gate/settings.h"

#include <sys/stat.h>

#include "host/http/gate/token_file.h"
#include "support/catch.h"
#include "temporary_folder.h"

using namespace pyember::host;

namespace {

GateSettings with_tokens(const char* address) {
  GateSettings settings;
  settings.address = address;
  static const TemporaryFolder folder;
  settings.token_file = folder.path + "/tokens.json";
  REQUIRE(TokenFile(settings.token_file).change([](std::vector<AccessToken>&) {
    return pyember::Result<void>();
  }));
  return settings;
}

GateSettings with_oauth(const char* address) {
  GateSettings settings;
  settings.address = address;
  settings.oauth_issuer = "https://login.example";
  settings.oauth_audience = "https://python.example/mcp";
  return settings;
}

bool says(const pyember::Result<void>& result, const char* word) {
  return !result && result.error().message.find(word) != std::string::npos;
}

}  // namespace

TEST_CASE("check_gate: loopback needs nothing", "[gate]") { CHECK(check_gate(GateSettings{})); }

TEST_CASE("check_gate: nobody listens beyond loopback without telling callers apart", "[gate]") {
  GateSettings settings;
  for (const char* address : {"0.0.0.0", "::", "192.168.1.2", "2001:db8::1"}) {
    settings.address = address;
    settings.allowed_hosts = {"python.example"};
    CHECK(says(check_gate(settings), "pyember tokens add"));
  }
  CHECK(check_gate(with_tokens("192.168.1.2")));
  CHECK(check_gate(with_oauth("192.168.1.2")));
}

TEST_CASE("check_gate: who listens everywhere says under which names", "[gate]") {
  GateSettings settings = with_tokens("0.0.0.0");
  CHECK(says(check_gate(settings), "--allowed-host"));
  settings.allowed_hosts = {"python.example"};
  CHECK(check_gate(settings));
  CHECK(check_gate(with_oauth("0.0.0.0")));
}

TEST_CASE("check_gate: a file of tokens must be there and be nobody else's", "[gate]") {
  GateSettings settings = with_tokens("127.0.0.1");
  CHECK(check_gate(settings));
  REQUIRE(chmod(settings.token_file.c_str(), 0644) == 0);
  CHECK(says(check_gate(settings), "0600"));
  REQUIRE(chmod(settings.token_file.c_str(), 0600) == 0);
  settings.token_file += ".other";
  CHECK(says(check_gate(settings), "pyember tokens add"));
}

TEST_CASE("check_gate: names and origins must be some", "[gate]") {
  GateSettings settings;
  settings.allowed_hosts = {"https://python.example"};
  CHECK(says(check_gate(settings), "--allowed-host"));
  settings.allowed_hosts = {};
  settings.allowed_origins = {"*"};
  CHECK(says(check_gate(settings), "--allowed-origin"));
}

TEST_CASE("check_gate: an issuer and an audience belong together, over https", "[gate]") {
  GateSettings settings = with_oauth("127.0.0.1");
  CHECK(check_gate(settings));
  settings.oauth_audience.clear();
  CHECK(says(check_gate(settings), "--oauth-audience"));
  settings = with_oauth("127.0.0.1");
  settings.oauth_issuer.clear();
  CHECK(says(check_gate(settings), "--oauth-issuer"));
  settings = with_oauth("127.0.0.1");
  settings.oauth_issuer = "http://login.example";
  CHECK(says(check_gate(settings), "https"));
  settings.oauth_issuer = "http://localhost:9000";
  CHECK(check_gate(settings));
  settings.address = "10.0.0.1";
  CHECK(says(check_gate(settings), "https"));
  settings = with_oauth("127.0.0.1");
  settings.oauth_keys = "ftp://login.example/keys";
  CHECK(says(check_gate(settings), "--oauth-keys"));
}

TEST_CASE("check_gate: a rate is a number from 0 on", "[gate]") {
  GateSettings settings;
  settings.requests_per_second = -1;
  CHECK(says(check_gate(settings), "--rate-limit"));
  settings.requests_per_second = 0;
  CHECK(check_gate(settings));
}

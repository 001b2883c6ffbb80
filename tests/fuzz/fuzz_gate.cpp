#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "host/gate/signed_tokens.h"
#include "host/http/gate/allowed_names.h"
#include "host/http/gate/jws.h"
#include "host/http/gate/key_set.h"
#include "host/http/gate/public_key.h"
#include "host/http/gate/scopes.h"
#include "mcp/json.h"

// What strangers say before anybody knows who they are, each input as all of it: a host, an origin,
// a signed token, its claims, a set of keys. Names that are let in begin with one that is allowed,
// and what is signed by nobody is never found signed.
using namespace pyember;
using namespace pyember::host;

extern "C" PublicKey* pyember_read_public_key(const char* jwk, std::size_t size);

namespace {

std::unique_ptr<PublicKey> read_key(std::string_view jwk) {
  return std::unique_ptr<PublicKey>(pyember_read_public_key(jwk.data(), jwk.size()));
}

void try_names(std::string_view text) {
  static const AllowedNames names({"python.example:8443"}, {"https://app.example"});
  const std::optional<HostName> host = parse_host_name(text);
  if (!names.allows_host(text)) return;
  CHECK(host.has_value());
  CHECK(is_loopback_name(host->name) || (*host == HostName{"python.example", "8443"}));
  CHECK(names.allows_origin("http://" + std::string(text)));
}

bool is_known(std::string_view token) {
  for (const SignedToken& each : kSignedTokens) {
    const std::string_view known = each.token;
    // Of the last digit some bits mean nothing.
    if (token.size() == known.size() && token.starts_with(known.substr(0, known.size() - 1))) {
      return true;
    }
  }
  return false;
}

void try_token(std::string_view text) {
  static const std::vector<std::string_view> texts{kRsaKey, kP256Key, kP384Key, kP521Key};
  static const auto keys = [] {
    std::vector<std::unique_ptr<PublicKey>> all;
    for (const std::string_view each : texts) all.push_back(read_key(each));
    return all;
  }();
  const Result<Jws> jws = read_jws(text);
  if (!jws) return;
  (void)read_claims(jws.value().claims, {"https://login.example", "https://python.example/mcp"}, 1);
  for (const auto& key : keys) {
    CHECK(!key->verifies(text, jws.value().algorithm) || is_known(text));
  }
}

void try_json(std::string_view text) {
  const Result<mcp::Json> json = mcp::parse_json(text);
  if (!json) return;
  for (const KeyText& each : keys_in(json.value())) (void)read_key(each.text);
  (void)read_claims(json.value(), {"https://login.example", "https://python.example/mcp"}, 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try_names(text);
  try_token(text);
  try_json(text);
  for (const std::string& each : split_scopes(text))
    CHECK(!may_call({each}, "run_python") || is_scope(each));
  return 0;
}

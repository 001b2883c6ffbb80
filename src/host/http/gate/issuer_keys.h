#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/http/gate/public_key.h"
#include "host/upstream/http_client.h"
#include "host/upstream/http_fetch.h"

namespace pyember::host {

// The keys that an authorization server signs tokens with, fetched from it: when they are needed
// first, from time to time (limits::kKeysFresh), and when a token names one that is not known, but
// never more often than limits::kKeysPause allows. While it can't be reached the keys that are
// known are used for limits::kKeysKept; without any, tokens can't be checked. Loop's thread only.
class IssuerKeys {
 public:
  struct Source {
    std::string issuer;
    std::string keys;  // where they are; empty: the issuer's metadata says it
  };
  IssuerKeys(HttpClient& client, Source source, ReadPublicKey read_key);

  enum class Verdict {
    Signed,       // by one of the keys
    NotSigned,    // by none of them
    Unavailable,  // there are no keys: the authorization server can't be reached
  };
  using Done = std::function<void(Verdict)>;

  // Whether the token is signed by the key it names. `done` is called once, at once or later,
  // unless this is destroyed before.
  void check(std::string token, std::string algorithm, std::string key_id, Done done);

  void fetch_first();  // so that the first token need not wait

 private:
  struct Known {
    std::string id;
    std::string algorithm;  // empty: any that fits
    std::string kind;       // "RSA", "EC"
    std::unique_ptr<PublicKey> key;
  };
  struct Waiting {
    std::string token, algorithm, key_id;
    Done done;
  };
  enum class Look { Signed, NotSigned, NoSuchKey };

  Look look(const Waiting& asked) const;
  bool usable(std::uint64_t now) const;
  bool may_fetch(std::uint64_t now) const;
  void fetch();
  void try_next_place();
  void take_metadata(const Result<Fetched>& answer);
  void fetch_keys(const std::string& address);
  void take_keys(const Result<Fetched>& answer);
  void fail(std::string_view why);
  void over();

  HttpClient& client_;
  const Source source_;
  const ReadPublicKey read_key_;
  std::vector<Known> keys_;
  std::uint64_t fetched_at_ = 0;  // now_ns(); 0: never
  std::uint64_t tried_at_ = 0;
  std::vector<std::string> places_;  // of metadata, still to be tried, the next one last
  std::unique_ptr<HttpFetch> fetch_;
  std::vector<Waiting> waiting_;
};

}  // namespace pyember::host

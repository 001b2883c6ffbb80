#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "host/http/gate/reply.h"
#include "host/http/gate/settings.h"

// What is told to who may not come in, and where they get a token (RFC 6750, RFC 9728).
namespace pyember::host {

class Challenges {
 public:
  explicit Challenges(const GateSettings& settings);

  // 401: there is no token.
  HttpReply token_missing() const;
  // 401: there is one that is not taken. `why` is a sentence without anything of the token.
  HttpReply token_invalid(std::string_view why) const;
  // 400: what should be a token is none.
  HttpReply malformed() const;
  // 403: it is not for this. `scope` names all that the operation needs.
  HttpReply insufficient(std::string_view scope) const;
  HttpReply insufficient_for_metrics(std::string_view scope) const;

  // Where the metadata below is served: clients look in more than one place, and a proxy may give
  // the endpoint another path.
  bool is_metadata(std::string_view path) const;
  // Of the server, as a resource that tokens are for. Empty text: nobody issues tokens for it.
  const std::string& metadata() const { return metadata_; }

 private:
  std::string bearer(std::string_view error, std::string_view why, std::string_view scope) const;

  std::string metadata_address_;  // empty: there is none
  std::vector<std::string> metadata_paths_;
  std::string metadata_;
};

}  // namespace pyember::host

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "host/http/gate/caller.h"
#include "host/http/gate/challenge.h"
#include "host/http/gate/known_tokens.h"
#include "host/http/gate/public_key.h"
#include "host/http/gate/remembered_access.h"
#include "host/http/gate/settings.h"
#include "host/loop/event_loop.h"
#include "mcp/http/exchange.h"

namespace pyember::host {

class HttpClient;
class IssuerKeys;

// Says who sends a request, from its token: one of the server's own file, or a signed one of an
// authorization server. Without either everybody is the same caller. Loop's thread only.
class Authenticator {
 public:
  Authenticator(EventLoop& loop, const GateSettings& settings, const Challenges& challenges,
                ReadPublicKey read_key);
  ~Authenticator();
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  // How much may be done for a token: checking a signature costs something, for a stranger too.
  enum class Effort { Any, Cheap };
  // Busy: it would have to be checked, and may not be now.
  struct Busy {};
  using Outcome = std::variant<Caller, HttpReply, Busy>;
  using Done = std::function<void(Outcome)>;

  // `done` is called once, at once or in a later turn, unless this is destroyed before.
  void authenticate(const mcp::HttpRequest& request, Effort effort, Done done);

  // Whether a caller of before would still be let in, without asking anybody.
  bool still_admits(const Caller& caller);

 private:
  std::optional<Caller> from_file(std::string_view token);
  void check_signed(std::string token, Effort effort, Done done);

  const GateSettings settings_;
  const Challenges& challenges_;
  std::optional<KnownTokens> tokens_;
  RememberedAccess remembered_;
  std::unique_ptr<HttpClient> client_;
  std::unique_ptr<IssuerKeys> keys_;
};

}  // namespace pyember::host

#pragma once

#include <memory>
#include <optional>

#include "base/result.h"
#include "host/http/gate/public_key.h"
#include "host/http/http_transport.h"
#include "host/loop/event_loop.h"

namespace pyember::host {

// What the module gives; empty: nothing yet.
using MadeTransport = std::optional<Result<std::unique_ptr<HttpTransport>>>;

// The module pyember-http.so (src/http_module): the server of HTTP, and the cryptography that
// checks signed tokens.
//
// It is loaded when HTTP is to be served, and not linked: a server on stdin and stdout shall not
// pay for the libraries it brings along. Loaded like this (apart, its own libraries first), its TLS
// and its OpenSSL are out of the way of those that Python and its packages bring.
//
// Loaded by the process that makes the server's processes, so that a server that follows a dead one
// has the same module, whatever has been installed meanwhile. It is never unloaded.
class HttpModule {
 public:
  // The error (Unavailable) says what is missing and what to do. Any thread.
  static Result<HttpModule> load();

  // A server at work. The error (InvalidArgument: certificate and key; Unavailable) says what to
  // do. On the loop's thread.
  Result<std::unique_ptr<HttpTransport>> make_transport(EventLoop& loop, HttpListen listen,
                                                        HttpTransport::Handler handler) const;
  ReadPublicKey read_public_key() const { return read_public_key_; }

 private:
  using MakeTransport = void (*)(MadeTransport& made, EventLoop& loop, HttpListen&& listen,
                                 HttpTransport::Handler&& handler);

  HttpModule(MakeTransport make, ReadPublicKey read)
      : make_transport_(make), read_public_key_(read) {}

  MakeTransport make_transport_;
  ReadPublicKey read_public_key_;
};

}  // namespace pyember::host

#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "host/http/http_module.h"
#include "host/http/listening_sockets.h"
#include "loop_fixture.h"

namespace pyember::host {

// A client on a bare socket, which never waits.
class RawClient {
 public:
  RawClient(const std::string& address, int port);

  void send(std::string_view text);  // all of it, or what the system takes
  std::size_t send_some(std::string_view text);
  // What has come until now.
  const std::string& received();
  bool is_closed();      // the server has closed it, or cut it off
  void close_sending();  // says that it sends no more
  void leave() { socket_ = UniqueFd(); }
  void take_little();  // a small buffer, so that what is not read is soon not taken
  // Forgets what has come.
  void forget() { received_.clear(); }

  // Of what has come: how many responses there are, and the first's parts.
  std::size_t count(std::string_view text);
  int status();
  std::string head();
  std::string body();  // as it was sent, chunks and all

 private:
  UniqueFd socket_;
  std::string received_;
  bool closed_ = false;
};

// The module's server, on a loop that the test turns, with exchanges that the test answers.
struct HttpWorld : LoopFixture {
  // As the product makes it, but for what `change` does.
  explicit HttpWorld(std::function<void(HttpListen&)> change = {}, std::string host = "127.0.0.1");

  std::unique_ptr<RawClient> connect() { return std::make_unique<RawClient>(host, port()); }
  int port() const { return sockets.port(); }
  // A request is answered by this, when it is set; else it is kept in `exchanges`.
  std::function<void(std::shared_ptr<mcp::HttpExchange>)> answer;
  std::vector<std::shared_ptr<mcp::HttpExchange>> exchanges;

  // Turns until a request has come, or as many.
  bool until_requests(std::size_t count = 1);
  bool until_received(RawClient& client, std::string_view text);
  bool until_closed(RawClient& client);
  // Sends it and turns until the whole answer is there.
  std::string ask(RawClient& client, std::string_view request);

  const std::string host;
  ListeningSockets sockets;
  std::unique_ptr<HttpTransport> transport;
};

const HttpModule& http_module();

// A POST of this body to /mcp.
std::string post(std::string_view body, std::string_view more_fields = {});

// An answer of 200 with this text.
void say(mcp::HttpExchange& exchange, std::string text);

}  // namespace pyember::host

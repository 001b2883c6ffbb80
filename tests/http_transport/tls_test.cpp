// TLS, with a certificate made here by openssl's program, and its client.
#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "http_transport/http_world.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return std::string((std::istreambuf_iterator<char>(file)), {});
}

// Self-signed certificates in a folder of their own.
struct Certificates {
  fs::path folder;

  Certificates() {
    std::string name = (fs::temp_directory_path() / "pyember-tls-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    folder = name;
  }
  ~Certificates() { fs::remove_all(folder); }

  HttpListen::Tls make(const std::string& name, const std::string& kind) const {
    const fs::path certificate = folder / (name + ".pem"), key = folder / (name + "-key.pem");
    const std::string command = fmt::format(
        "openssl req -x509 -newkey {} -nodes -days 2 -subj /CN=localhost -addext "
        "subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout {} -out {} 2>/dev/null",
        kind, key.string(), certificate.string());
    REQUIRE(system(command.c_str()) == 0);
    return {text_of(certificate), text_of(key)};
  }
};

// openssl's client, which sends what stands in a file; what it hears goes into another.
class TlsClient {
 public:
  TlsClient(const Certificates& certificates, int port, const std::string& request,
            const std::string& more = {})
      : heard_(certificates.folder / "heard") {
    const fs::path sent = certificates.folder / "sent";
    std::ofstream(sent) << request;
    std::ofstream(heard_).flush();
    const std::string command = fmt::format(
        "(cat {}; sleep 20) | exec openssl s_client -quiet -connect 127.0.0.1:{} -CAfile {} "
        "-verify_return_error {} > {} 2>&1",
        sent.string(), port, (certificates.folder / "server.pem").string(), more, heard_.string());
    child_ = ::fork();
    if (child_ == 0) {
      setpgid(0, 0);
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(127);
    }
    setpgid(child_, child_);
  }
  ~TlsClient() {
    kill(-child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }

  std::string heard() const { return text_of(heard_); }
  std::size_t heard_bytes() const { return fs::file_size(heard_); }

 private:
  const fs::path heard_;
  pid_t child_ = 0;
};

}  // namespace

TEST_CASE("HttpServer: over TLS a request is answered, and a stream sent piece by piece") {
  const Certificates certificates;
  const std::string kind =
      GENERATE(as<std::string>(), "rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256");
  const HttpListen::Tls tls = certificates.make("server", kind);
  HttpWorld world([&tls](HttpListen& listen) { listen.tls = tls; });
  const TlsClient client(certificates, world.port(), post("{}") + post("second"));
  const auto heard = [&client](const std::string& text) {
    return client.heard().find(text) != std::string::npos;
  };
  REQUIRE(world.until_requests());
  CHECK(world.exchanges[0]->request().tls);
  say(*world.exchanges[0], "answered over TLS");
  REQUIRE(world.until([&] { return heard("answered over TLS"); }));
  REQUIRE(world.until_requests(2));
  world.exchanges[1]->begin_stream(200, {});
  for (const std::string piece : {"piece one", "piece two"}) {
    world.exchanges[1]->write(std::string(piece));
    REQUIRE(world.until([&] { return heard(piece); }));
  }
}

TEST_CASE("HttpServer: over TLS a large answer arrives whole") {
  const Certificates certificates;
  const HttpListen::Tls tls = certificates.make("server", "rsa:2048");
  HttpWorld world([&tls](HttpListen& listen) { listen.tls = tls; });
  const std::string large(4u << 20, 'x');
  world.answer = [&large](const auto& exchange) { say(*exchange, large + "the end"); };
  const TlsClient client(certificates, world.port(), post("{}"));
  REQUIRE(world.until([&] { return client.heard_bytes() > large.size(); }));
  REQUIRE(world.until([&] { return client.heard().ends_with("the end"); }));
  CHECK(client.heard().find(large) != std::string::npos);
}

TEST_CASE("HttpServer: versions of TLS before 1.2 are refused") {
  const Certificates certificates;
  const HttpListen::Tls tls = certificates.make("server", "rsa:2048");
  HttpWorld world([&tls](HttpListen& listen) { listen.tls = tls; });
  world.answer = [](const auto& exchange) { say(*exchange, "answered"); };
  {
    const TlsClient old(certificates, world.port(), post("{}"),
                        "-tls1_1 -cipher DEFAULT@SECLEVEL=0");
    REQUIRE(world.until([&] { return !old.heard().empty(); }));
    CHECK(old.heard().find("answered") == std::string::npos);
  }
  const TlsClient next(certificates, world.port(), post("{}"), "-tls1_2");
  CHECK(world.until([&] { return next.heard().find("answered") != std::string::npos; }));
}

TEST_CASE("HttpServer: who speaks no TLS where there is, gets no answer, and disturbs nobody") {
  const Certificates certificates;
  const HttpListen::Tls tls = certificates.make("server", "rsa:2048");
  HttpWorld world([&tls](HttpListen& listen) { listen.tls = tls; });
  world.answer = [](const auto& exchange) { say(*exchange, "answered"); };
  const auto plain = world.connect();
  plain->send(post("{}"));
  CHECK(world.until_closed(*plain));
  CHECK(plain->count("answered") == 0);
  const TlsClient client(certificates, world.port(), post("{}"));
  CHECK(world.until([&] { return client.heard().find("answered") != std::string::npos; }));
}

TEST_CASE("HttpServer: a handshake that is not finished is cut off after a while") {
  const Certificates certificates;
  const HttpListen::Tls tls = certificates.make("server", "rsa:2048");
  HttpWorld world([&tls](HttpListen& listen) {
    listen.tls = tls;
    listen.request_time = std::chrono::milliseconds(100);
  });
  const auto slow = world.connect();
  slow->send(std::string("\x16\x03\x01\x02\x00\x01", 6));
  CHECK(world.until_closed(*slow));
  CHECK(world.until([&world] { return world.transport->connections() == 0; }));
}

TEST_CASE("HttpServer: a certificate and a key that don't go together are told of") {
  const Certificates certificates;
  HttpListen::Tls tls = certificates.make("server", "rsa:2048");
  SECTION("another's key") { tls.key = certificates.make("other", "rsa:2048").key; }
  SECTION("no key") { tls.key = "nothing"; }
  SECTION("no certificate") { tls.certificate = ""; }
  EventLoop loop;
  HttpListen listen;
  listen.tls = tls;
  const auto made = http_module().make_transport(loop, std::move(listen), [](const auto&) {});
  REQUIRE_FALSE(made);
  CHECK(made.error().message.find("certificate") != std::string::npos);
}

#include "cli/http_serve_options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "cli/tokens_command.h"
#include "host/scripts/text_file.h"

namespace pyember::cli {

namespace {

constexpr const char* kGroup = "Over HTTP";

// Those that mean nothing over stdin and stdout, and that somebody who gives them expects something
// of.
constexpr std::array kOfHttp{
    "--port",       "--host",       "--path",         "--allowed-host", "--allowed-origin",
    "--tls-cert",   "--tls-key",    "--token-file",   "--oauth-issuer", "--oauth-audience",
    "--oauth-keys", "--rate-limit", "--trust-callers"};

Result<void> check_readable(const char* option, std::string& path) {
  path = host::resolved_path(path, host::working_directory());
  if (access(path.c_str(), R_OK) == 0) return {};
  return Error{ErrorCode::InvalidArgument,
               fmt::format("{} {} can't be read ({}). Name a PEM file that the server may read.",
                           option, path, std::strerror(errno))};
}

// What is served beside the endpoint (src/host/http/http_front.cpp).
bool is_taken(const std::string& path) {
  return path == "/healthz" || path == "/metrics" || path.starts_with("/.well-known/");
}

std::string path_problem(const std::string& path) {
  if (is_taken(path)) {
    return fmt::format("'{}' is something else of the server's: take another path", path);
  }
  const bool fits = path.starts_with('/') && path.find_first_of("?#% \t\"\\") == std::string::npos;
  if (fits) return {};
  return fmt::format("'{}' is no path of an endpoint: it begins with / and has no ?, # or spaces",
                     path);
}

}  // namespace

HttpServeOptions::HttpServeOptions(CLI::App& app) : app_(app) {
  http_.gate.address = "localhost";
  app.add_option("--transport", transport_,
                 "How clients reach the server: stdio (one, over stdin and stdout), http")
      ->envname("PYEMBER_TRANSPORT")
      ->check(CLI::IsMember({"stdio", "http"}))
      ->capture_default_str();
  const auto add = [&](const char* name, auto& to, const char* variable, const char* description) {
    return app.add_option(name, to, description)->envname(variable)->group(kGroup);
  };
  host::GateSettings& gate = http_.gate;
  add("--port", http_.port, "PYEMBER_PORT", "Port to listen on; 0: one that is free")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  add("--host", gate.address, "PYEMBER_HOST",
      "Address to listen on; beyond this machine only with tokens or OAuth")
      ->capture_default_str();
  add("--path", gate.path, "PYEMBER_PATH", "Path of the endpoint")
      ->check(CLI::Validator(path_problem, "PATH"))
      ->capture_default_str();
  add("--allowed-host", gate.allowed_hosts, "PYEMBER_ALLOWED_HOSTS",
      "Names under which the server is reached, besides those of this machine: mcp.example.org")
      ->delimiter(',');
  add("--allowed-origin", gate.allowed_origins, "PYEMBER_ALLOWED_ORIGINS",
      "Origins whose pages may call the server: https://app.example.org")
      ->delimiter(',');
  add("--tls-cert", http_.certificate, "PYEMBER_TLS_CERT",
      "PEM file of its certificate and those that signed it");
  add("--tls-key", http_.key, "PYEMBER_TLS_KEY", "PEM file of the certificate's key");
  add("--token-file", gate.token_file, "PYEMBER_TOKEN_FILE",
      "Tokens that let callers in (else tokens.json of the configuration folder): pyember tokens");
  add("--oauth-issuer", gate.oauth_issuer, "PYEMBER_OAUTH_ISSUER",
      "Authorization server whose tokens let callers in");
  add("--oauth-audience", gate.oauth_audience, "PYEMBER_OAUTH_AUDIENCE",
      "This server's address, as those tokens name it");
  add("--oauth-keys", gate.oauth_keys, "PYEMBER_OAUTH_KEYS",
      "Where the issuer's keys are (else its metadata says)");
  app.add_flag("--trust-callers", trust_callers_,
               "With tokens or OAuth: their code may do what the server's user may; else sessions "
               "and scripts are in sandboxes")
      ->envname("PYEMBER_TRUST_CALLERS")
      ->group(kGroup);
  add("--rate-limit", gate.requests_per_second, "PYEMBER_RATE_LIMIT",
      "Requests a second that one caller may make; 0: any number")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
}

// Who can run code here can do what the server's user can, unless it is behind a boundary. So
// callers that are told apart are kept apart as well, unless whoever starts the server trusts them.
Result<void> HttpServeOptions::keep_callers_apart(host::Options& options) const {
  if (!http_.gate.authenticates() || trust_callers_) return {};
  using host::Isolation;
  const Isolation room = options.isolation.value_or(Isolation::Sandbox);
  if (host::boundary_of(room) == host::Boundary::None) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("--isolation {} can't be used with tokens or OAuth, because callers' "
                             "code could reach what other callers have, and all that the server's "
                             "user can. Leave it out for sandboxes, or add --trust-callers where "
                             "that is all right.",
                             host::to_string(room))};
  }
  options.keeps_callers_apart = true;
  options.isolation = room;
  if (!options.scripts_boundary) options.scripts_boundary = host::boundary_of(room);
  return {};
}

Result<void> HttpServeOptions::finish(host::Options& options) {
  if (transport_ != "http") return check_unused();
  if (http_.certificate.empty() != http_.key.empty()) {
    return Error{ErrorCode::InvalidArgument,
                 "TLS needs a certificate and its key, and one of them is missing. Give both "
                 "--tls-cert and --tls-key."};
  }
  if (!http_.certificate.empty()) {
    if (auto readable = check_readable("--tls-cert", http_.certificate); !readable) return readable;
    if (auto readable = check_readable("--tls-key", http_.key); !readable) return readable;
    http_.gate.tls = true;
  }
  if (auto found = find_credentials(); !found) return found;
  if (auto checked = host::check_gate(http_.gate); !checked) return checked;
  options.http = std::make_shared<host::HttpOptions>(http_);
  return keep_callers_apart(options);
}

// Variables may stand in an environment that other servers share.
Result<void> HttpServeOptions::check_unused() const {
  for (const char* name : kOfHttp) {
    const CLI::Option* option = app_.get_option(name);
    const bool by_variable = std::getenv(option->get_envname().c_str()) != nullptr;
    if (option->count() == 0 || by_variable) continue;
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("{} is of no use over stdin and stdout. Add --transport http, or "
                             "leave it out.",
                             name)};
  }
  return {};
}

Result<void> HttpServeOptions::find_credentials() {
  std::string& file = http_.gate.token_file;
  if (!file.empty()) {
    file = host::resolved_path(file, host::working_directory());
    return {};
  }
  const std::string usual = usual_token_file();
  if (!usual.empty() && access(usual.c_str(), F_OK) == 0) file = usual;
  return {};
}

}  // namespace pyember::cli

#include "cli/upstreams/login_upstream.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <string_view>

#include "base/limits.h"
#include "base/own_environment.h"
#include "base/spawn.h"
#include "cli/terminal.h"
#include "cli/upstreams/upstream_texts.h"
#include "host/environments/program_path.h"
#include "host/loop/event_loop.h"
#include "host/loop/loop_poster.h"
#include "host/options.h"
#include "host/upstream/config/load.h"
#include "host/upstream/http_headers.h"
#include "host/upstream/http_library.h"
#include "host/upstream/oauth_login.h"

namespace pyember::cli {

namespace {

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string token_folder() { return host::find_state_directory() + "/upstream-tokens"; }

// What opens an address: the first of $BROWSER, or what the desktop has. Empty: there is none.
std::string find_browser() {
  std::string named = variable("BROWSER");
  named.erase(std::min(named.find(':'), named.size()));
  if (named.find('/') != std::string::npos) return host::is_program(named) ? named : "";
  if (!named.empty()) return host::program_on_path(named);
#ifdef __APPLE__
  return host::program_on_path("open");
#else
  const bool desktop = !variable("DISPLAY").empty() || !variable("WAYLAND_DISPLAY").empty();
  return desktop ? host::program_on_path("xdg-open") : "";
#endif
}

bool open_browser(const std::string& address) {
  const std::string browser = find_browser();
  if (browser.empty()) return false;
  pid_t pid = 0;
  return spawn_on_its_own({browser, address}, own_environment_entries(),
                          {{0, -1, 0}, {1, -1, 2}, {2, -1, 2}}, pid) == 0;
}

class LoginAtTerminal {
 public:
  LoginAtTerminal(const LoginCommand& command, const host::UpstreamDefinition& upstream)
      : command_(command),
        upstream_(upstream),
        poster_(loop_),
        client_(loop_),
        deadline_(loop_,
                  [this] {
                    error("Nobody has logged in in time. Try again.");
                    loop_.stop();
                  }),
        input_(loop_, STDIN_FILENO, [this](int) { read_input(); }) {}

  int run() {
    host::OAuthLoginSettings settings{.token_folder = token_folder(),
                                      .client_id = command_.client_id,
                                      .client_secret = variable("PYEMBER_CLIENT_SECRET"),
                                      .client_url = command_.client_url,
                                      .scope = command_.scope,
                                      .port = command_.port};
    host::OAuthLogin login(
        loop_, client_, upstream_, std::move(settings),
        [this](const std::string& address) { show(address); },
        [this](const Result<host::OAuthTokens>& result) { finish(result); });
    login_ = &login;
    deadline_.start(limits::kLoginDeadline);
    loop_.run();
    return exit_code_;
  }

 private:
  void show(const std::string& address) {
    const bool opened = !command_.no_browser && open_browser(address);
    out_.write_line(fmt::format("{} and log in:\n\n  {}\n",
                                opened ? "Your browser opens this address. If it doesn't, open it"
                                       : "Open this address in a browser",
                                printable(address)));
    if (!input_.valid()) return;
    out_.write_line(
        "If that browser is on another machine, it will come to an address that it "
        "can't open:\ncopy that from its address bar to here.");
    input_.start(UV_READABLE);
  }

  void read_input() {
    char chunk[4096];
    const ssize_t got = read(STDIN_FILENO, chunk, sizeof chunk);
    if (got <= 0 || typed_.size() > 4 * limits::kMaximumUriBytes) return input_.stop();
    typed_.append(chunk, static_cast<std::size_t>(got));
    for (std::size_t end; (end = typed_.find('\n')) != std::string::npos;) {
      const std::string line = typed_.substr(0, end);
      typed_.erase(0, end + 1);
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      if (!login_->take_answer(line.substr(0, line.find_last_not_of(" \t\r") + 1))) {
        error("That is not the address this login comes back with. Copy the whole of it.");
      }
    }
  }

  void finish(const Result<host::OAuthTokens>& result) {
    loop_.stop();
    if (!result) return error(printable(result.error().message));
    const host::OAuthTokens& tokens = result.value();
    exit_code_ = 0;
    out_.write_line(fmt::format("Logged in at {}.", printable(upstream_.name)));
    if (!tokens.scope.empty()) out_.write_line("  allowed: " + printable(tokens.scope));
    if (!tokens.refresh_token.empty()) {
      out_.write_line("  it is renewed by itself");
    } else if (tokens.expires_at != 0) {
      const auto left = static_cast<double>(tokens.expires_at - std::time(nullptr));
      out_.write_line("  good for " + plain_duration(left) + ", then log in again");
    }
  }

  void error(std::string_view text) { err_.write_line("pyember: " + std::string(text)); }

  const LoginCommand& command_;
  const host::UpstreamDefinition& upstream_;
  const Terminal out_ = Terminal::out();
  const Terminal err_ = Terminal::err();
  host::EventLoop loop_;
  host::LoopPoster poster_;  // keeps the loop waiting when nothing else does
  host::HttpClient client_;
  host::Timer deadline_;
  host::Poll input_;
  std::string typed_;
  host::OAuthLogin* login_ = nullptr;
  int exit_code_ = 1;
};

int forget(const host::UpstreamDefinition& upstream) {
  const bool was_there = host::OAuthTokenFile(token_folder(), upstream.url).remove();
  Terminal::out().write_line(was_there ? "Its tokens are removed. Servers that run keep theirs "
                                         "until they need another."
                                       : "There was no login.");
  return 0;
}

// Why there is nothing to log in at; empty: there is.
std::string mistake_in(const host::UpstreamDefinition& upstream) {
  if (upstream.kind != host::UpstreamDefinition::Kind::Http) {
    return fmt::format(
        "'{}' is a program on this machine, and wants no login. Put what it needs "
        "into its env, in {}.",
        printable(upstream.name), printable(upstream.source));
  }
  if (host::has_authorization(upstream.headers)) {
    return fmt::format(
        "'{}' has an Authorization header, which is sent in place of what a login "
        "brings. Remove it from {} to log in.",
        printable(upstream.name), printable(upstream.source));
  }
  return {};
}

}  // namespace

int login_upstream(const LoginCommand& command, const std::vector<std::string>& files) {
  const host::UpstreamConfiguration configuration =
      host::load_upstreams(host::find_upstream_config_places(files));
  bool complete = true;
  const std::vector<host::UpstreamDefinition> upstreams =
      chosen(configuration.upstreams, {command.name}, complete);
  if (!complete || upstreams.empty()) return 1;
  const host::UpstreamDefinition& upstream = upstreams.front();
  if (command.forget) return forget(upstream);
  std::string mistake = mistake_in(upstream);
  if (mistake.empty() && !host::http_library()) mistake = host::http_library().error().message;
  if (!mistake.empty()) {
    Terminal::err().write_line("pyember: " + mistake);
    return 1;
  }
  return LoginAtTerminal(command, upstream).run();
}

}  // namespace pyember::cli

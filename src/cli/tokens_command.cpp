#include "cli/tokens_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/iso_time.h"
#include "base/limits.h"
#include "base/random_hex.h"
#include "base/sha256.h"
#include "cli/terminal.h"
#include "host/http/gate/scopes.h"
#include "host/http/gate/token_file.h"
#include "host/upstream/config/places.h"
#include "mcp/json.h"

namespace pyember::cli {

using host::AccessToken;
using mcp::Json;

namespace {

constexpr std::size_t kIdBytes = 4;

Error wrong(std::string message) { return {ErrorCode::InvalidArgument, std::move(message)}; }

// Seconds of "90d", "12h", "30m"; 0: never.
Result<std::int64_t> parse_lifetime(const std::string& text) {
  if (text == "never") return std::int64_t{0};
  constexpr std::pair<char, std::int64_t> kUnits[] = {{'m', 60}, {'h', 3600}, {'d', 86400}};
  constexpr std::int64_t kMost = 100'000;
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [unit, failed] = std::from_chars(text.data(), end, number);
  for (const auto& [letter, seconds] : kUnits) {
    const bool fits = failed == std::errc() && unit + 1 == end && *unit == letter;
    if (fits && number > 0 && number <= kMost) return number * seconds;
  }
  return wrong(fmt::format("--expires '{}' is no time. Say it as 90d, 12h, 30m, or never.", text));
}

Result<std::vector<std::string>> checked_scopes(const std::vector<std::string>& wanted) {
  if (wanted.empty()) return std::vector<std::string>{std::string(host::kEverything)};
  std::vector<std::string> scopes;
  for (const std::string& each : wanted) {
    if (!host::is_scope(each)) {
      return wrong(fmt::format("'{}' is no scope. Say one or more of: {}, tool:NAME, metrics.",
                               each, fmt::join(host::offered_scopes(), ", ")));
    }
    if (std::find(scopes.begin(), scopes.end(), each) == scopes.end()) scopes.push_back(each);
  }
  if (scopes.size() <= limits::kAccessScopes) return scopes;
  return wrong(fmt::format("A token has at most {} scopes. Say tools:*, sessions or scripts.",
                           limits::kAccessScopes));
}

std::string day(std::int64_t seconds) {
  return iso_time(static_cast<double>(seconds)).substr(0, 10);
}

std::string expiry(const AccessToken& token) {
  if (token.expires_at == 0) return "never";
  return day(token.expires_at) + (token.expired(unix_now_seconds()) ? " (expired)" : "");
}

Json in_json(const AccessToken& token) {
  return {{"id", token.id},
          {"name", token.name},
          {"scopes", token.scopes},
          {"created_at", token.created_at},
          {"expires_at", token.expires_at == 0 ? Json() : Json(token.expires_at)},
          {"expired", token.expired(unix_now_seconds())}};
}

class Tokens {
 public:
  explicit Tokens(const TokensCommand& command)
      : command_(command), file_(command.file.empty() ? usual_token_file() : command.file) {}

  int run() {
    if (file_.path().empty()) {
      return complain(
          "There is no place for tokens, because there is no home folder. Name a file "
          "with --file.",
          2);
    }
    switch (command_.action) {
      case TokensCommand::Action::List:
        return list();
      case TokensCommand::Action::Add:
        return add();
      case TokensCommand::Action::Remove:
        return remove();
    }
    return 2;
  }

 private:
  int list();
  int add();
  int remove();
  void show(const AccessToken& made, const std::string& token) const;
  int complain(const std::string& message, int exit_code) const;

  const TokensCommand& command_;
  const host::TokenFile file_;
  const Terminal out_ = Terminal::out();
  const Terminal err_ = Terminal::err();
};

int Tokens::complain(const std::string& message, int exit_code) const {
  err_.write_line(err_.styled(Style::Red, "pyember: ") + message);
  return exit_code;
}

int Tokens::list() {
  Result<std::vector<AccessToken>> read = file_.read();
  if (!read && read.error().code != ErrorCode::NotFound) return complain(read.error().message, 1);
  const std::vector<AccessToken> tokens = read ? read.take() : std::vector<AccessToken>();
  if (command_.json) {
    Json all = Json::array();
    for (const AccessToken& each : tokens) all.push_back(in_json(each));
    const Json whole{{"file", file_.path()}, {"tokens", std::move(all)}};
    out_.write_line(whole.dump(2));
    return 0;
  }
  if (tokens.empty()) {
    out_.write_line("no tokens; `pyember tokens add NAME` makes one");
    return 0;
  }
  out_.write_line(out_.styled(Style::Bold, fmt::format("{:<8}  {:<20}  {:<10}  {:<20}  {}", "id",
                                                       "name", "created", "expires", "scopes")));
  for (const AccessToken& each : tokens) {
    out_.write_line(fmt::format("{:<8}  {:<20}  {:<10}  {:<20}  {}", each.id, each.name,
                                day(each.created_at), expiry(each), fmt::join(each.scopes, " ")));
  }
  return 0;
}

int Tokens::add() {
  if (!host::is_caller_name(command_.name)) {
    return complain(fmt::format("'{}' can't be a caller's name. Use up to {} letters, digits and . "
                                "_ @ - for whose token it is.",
                                command_.name, limits::kCallerNameBytes),
                    2);
  }
  const Result<std::vector<std::string>> scopes = checked_scopes(command_.scopes);
  if (!scopes) return complain(scopes.error().message, 2);
  const Result<std::int64_t> lifetime = parse_lifetime(command_.expires);
  if (!lifetime) return complain(lifetime.error().message, 2);
  const std::string token = host::make_token();
  const std::int64_t now = unix_now_seconds();
  const AccessToken made{.id = random_hex(kIdBytes),
                         .name = command_.name,
                         .hash = sha256_hex(token),
                         .scopes = scopes.value(),
                         .created_at = now,
                         .expires_at = lifetime.value() == 0 ? 0 : now + lifetime.value()};
  const Result<void> added = file_.change([&](std::vector<AccessToken>& all) -> Result<void> {
    if (all.size() >= limits::kAccessTokens) {
      return Error{
          ErrorCode::LimitReached,
          fmt::format("There are {} tokens already, and no more are kept. Remove some that "
                      "nobody uses with `pyember tokens remove`.",
                      all.size())};
    }
    all.push_back(made);
    return {};
  });
  if (!added) return complain(added.error().message, 1);
  show(made, token);
  return 0;
}

// The token alone on stdout, so that a script can take it from there.
void Tokens::show(const AccessToken& made, const std::string& token) const {
  if (command_.json) {
    Json whole = in_json(made);
    whole["token"] = token;
    out_.write_line(whole.dump(2));
    return;
  }
  out_.write_line(token);
  err_.write_line(
      fmt::format("Token {} of {} for {}; it expires: {}. It is shown this once. "
                  "Clients send it as `Authorization: Bearer {}…`.",
                  made.id, made.name, fmt::join(made.scopes, " "), expiry(made), host::kTokenMark));
}

int Tokens::remove() {
  std::size_t removed = 0;
  std::vector<std::string> unknown;
  const Result<void> changed = file_.change([&](std::vector<AccessToken>& all) -> Result<void> {
    for (const std::string& wanted : command_.removed) {
      const std::size_t count = std::erase_if(
          all, [&](const AccessToken& each) { return each.id == wanted || each.name == wanted; });
      removed += count;
      if (count == 0) unknown.push_back(wanted);
    }
    if (removed > 0) return {};
    return Error{ErrorCode::NotFound, "nothing is written"};
  });
  if (!changed && changed.error().code != ErrorCode::NotFound) {
    return complain(changed.error().message, 1);
  }
  if (command_.json) {
    const Json whole{{"removed", removed}};
    out_.write_line(whole.dump(2));
  } else {
    out_.write_line(fmt::format("{} removed", removed));
  }
  if (unknown.empty()) return 0;
  return complain(
      fmt::format("There is no token with the id or name {}. `pyember tokens` lists the "
                  "ones there are.",
                  fmt::join(unknown, ", ")),
      1);
}

}  // namespace

std::string usual_token_file() {
  const std::string folder = host::find_configuration_directory();
  return folder.empty() ? folder : folder + "/tokens.json";
}

int manage_tokens(const TokensCommand& command) { return Tokens(command).run(); }

}  // namespace pyember::cli

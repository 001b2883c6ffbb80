#include "host/upstream/oauth_challenge.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <vector>

#include "base/limits.h"

// WWW-Authenticate is a list of challenges, each a scheme and a list of parameters, and both lists
// are separated by commas (RFC 9110, 11.6.1). A word that no '=' follows begins a challenge.

namespace pyember::host {

namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ == text_.size(); }
  void skip_blanks_and_commas() { skip(" \t,"); }
  void skip_blanks() { skip(" \t"); }
  bool take(char wanted) {
    if (at_end() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  void step() { ++at_; }

  // What no separator interrupts; empty: there is none here.
  std::string word() {
    const std::size_t end = std::min(text_.find_first_of(" \t,=\"", at_), text_.size());
    const std::string_view found = text_.substr(at_, end - at_);
    at_ = end;
    return std::string(found);
  }

  // A value: a quoted text or a word.
  std::string value() {
    if (!take('"')) return word();
    std::string quoted;
    while (!at_end() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      quoted += text_[at_++];
    }
    take('"');
    return quoted;
  }

 private:
  void skip(std::string_view what) {
    at_ = std::min(text_.find_first_not_of(what, at_), text_.size());
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

bool same_word(std::string_view left, std::string_view right) {
  return std::equal(
      left.begin(), left.end(), right.begin(), right.end(),
      [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

void take_parameter(OAuthChallenge& challenge, std::string_view name, std::string value) {
  if (value.size() > limits::kMaximumUriBytes) return;
  if (same_word(name, "error")) challenge.error = std::move(value);
  if (same_word(name, "scope")) challenge.scope = std::move(value);
  if (same_word(name, "resource_metadata")) challenge.resource_metadata = std::move(value);
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) return words;
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
}

}  // namespace

OAuthChallenge parse_challenge(std::string_view header) {
  OAuthChallenge challenge;
  Reader reader(header);
  bool ours = false;
  for (reader.skip_blanks_and_commas(); !reader.at_end(); reader.skip_blanks_and_commas()) {
    const std::string name = reader.word();
    if (name.empty()) {
      reader.step();  // a stray quote or '='
      continue;
    }
    reader.skip_blanks();
    if (reader.take('=')) {
      reader.skip_blanks();
      std::string value = reader.value();
      if (ours) take_parameter(challenge, name, std::move(value));
      continue;
    }
    if (ours) break;  // the next challenge
    ours = challenge.bearer = same_word(name, "bearer");
  }
  return challenge;
}

OAuthChallenge challenge_of(const HttpHead& head) {
  for (const auto& [name, value] : head.headers) {
    if (name != "www-authenticate") continue;
    if (OAuthChallenge challenge = parse_challenge(value); challenge.bearer) return challenge;
  }
  return {};
}

std::string united_scopes(std::string_view first, std::string_view second) {
  std::vector<std::string_view> all = words_of(first);
  for (const std::string_view word : words_of(second)) all.push_back(word);
  std::vector<std::string_view> kept;
  std::string text;
  for (const std::string_view word : all) {
    if (kept.size() == limits::kOAuthScopes) break;
    if (std::find(kept.begin(), kept.end(), word) != kept.end()) continue;
    kept.push_back(word);
    text.append(text.empty() ? "" : " ").append(word);
  }
  return text;
}

}  // namespace pyember::host

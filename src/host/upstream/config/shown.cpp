#include "host/upstream/config/shown.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "host/scripts/redaction.h"
#include "mcp/json.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr const char* kHidden = "***";

std::string quoted(const std::string& word) {
  constexpr std::string_view kPlain = "@%+=:,./-_${}*";
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [=](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || kPlain.find(c) != kPlain.npos ||
           static_cast<unsigned char>(c) >= 0x80;
  });
  if (plain) return word;
  std::string text = "'";
  for (const char c : word) {
    // What would end the line or move a terminal's cursor is shown as a blank.
    if (c == '\'') {
      text += "'\\''";
    } else {
      text += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
    }
  }
  return text + "'";
}

// Hosted servers put keys into their paths: long, and of digits and letters. A variable is none.
bool looks_like_a_key(std::string_view part) {
  constexpr std::size_t kShortest = 16;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return part.size() >= kShortest && part.find('$') == part.npos &&
         std::any_of(part.begin(), part.end(), is_digit);
}

}  // namespace

std::string shown_command(const std::string& command, const std::vector<std::string>& arguments) {
  const Json redacted_arguments = redacted(Json{{"args", arguments}})["args"];
  std::string text = quoted(command);
  for (const Json& argument : redacted_arguments) {
    text += ' ';
    const std::string word = argument.get<std::string>();
    text += quoted(word.find("://") == std::string::npos ? word : shown_url(word));
  }
  return text;
}

std::string shown_url(const std::string& url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  const std::size_t host = scheme + 3;
  const std::size_t query = std::min(url.find_first_of("?#", host), url.size());
  const std::size_t path = std::min(url.find('/', host), query);
  const std::size_t at = url.rfind('@', path);
  std::string text = url.substr(0, host);
  text += at != std::string::npos && at >= host ? kHidden + url.substr(at, path - at)
                                                : url.substr(host, path - host);
  for (std::size_t begin = path; begin < query;) {
    const std::size_t end = std::min(url.find('/', begin + 1), query);
    const std::string part = url.substr(begin + 1, end - begin - 1);
    text += '/';
    text += looks_like_a_key(part) ? kHidden : part;
    begin = end;
  }
  if (query < url.size()) text += std::string(1, url[query]) + kHidden;
  return text;
}

}  // namespace pyember::host

#include "host/upstream/config/json_with_comments.h"

#include <string>

#include "base/limits.h"

namespace pyember::host {

namespace {

// Copies a string literal as it stands; `at` is its opening quote. Returns where it ends.
std::size_t copy_string(std::string_view text, std::size_t at, std::string& out) {
  out.push_back(text[at++]);
  while (at < text.size() && text[at] != '"') {
    if (text[at] == '\\' && at + 1 < text.size()) out.push_back(text[at++]);
    out.push_back(text[at++]);
  }
  if (at < text.size()) out.push_back(text[at++]);
  return at;
}

// Where the comment that begins at `at` ends; `at` itself when there is none.
std::size_t end_of_comment(std::string_view text, std::size_t at) {
  const std::string_view rest = text.substr(at);
  std::size_t length = 0;
  if (rest.starts_with("//")) {
    length = rest.find('\n');
  } else if (rest.starts_with("/*")) {
    length = rest.find("*/", 2);
    if (length != std::string_view::npos) length += 2;
  } else {
    return at;
  }
  return length == std::string_view::npos ? text.size() : at + length;
}

void drop_comma_before_bracket(std::string& out) {
  const std::size_t last = out.find_last_not_of(" \t\r\n");
  if (last != std::string::npos && out[last] == ',') out.erase(last, 1);
}

}  // namespace

std::string without_comments(std::string_view text) {
  std::string strict;
  strict.reserve(text.size());
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '"') {
      at = copy_string(text, at, strict);
    } else if (const std::size_t end = end_of_comment(text, at); end != at) {
      at = end;
    } else {
      if (text[at] == '}' || text[at] == ']') drop_comma_before_bracket(strict);
      strict.push_back(text[at++]);
    }
  }
  return strict;
}

Result<mcp::Json> parse_json_with_comments(std::string_view text) {
  mcp::JsonBounds bounds = mcp::JsonBounds::standard();
  bounds.members = limits::kMaximumConfigurationMembers;  // some clients keep history there too
  return mcp::parse_json(without_comments(text), bounds);
}

}  // namespace pyember::host

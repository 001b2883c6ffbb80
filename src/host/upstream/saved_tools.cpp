#include "host/upstream/saved_tools.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/limits.h"
#include "host/scripts/text_file.h"

namespace pyember::host {

namespace {

constexpr std::string_view kBegin = "# --- saved tool: ";
constexpr std::string_view kEnd = "# --- end of ";
constexpr std::size_t kNameBytes = 128;
constexpr unsigned kMode = 0600;

Error mistake(std::string_view what, std::string_view why) {
  return Error{ErrorCode::InvalidArgument,
               fmt::format("{} was not saved: {}. Save one plain function, def or async def, that "
                           "was defined in a cell.",
                           what, why)};
}

bool is_name(std::string_view text) {
  const auto letter = [](char c) {
    return std::isalpha(static_cast<unsigned char>(c)) || c == '_';
  };
  const auto rest = [&](char c) {
    return letter(c) || std::isdigit(static_cast<unsigned char>(c));
  };
  return !text.empty() && text.size() <= kNameBytes && letter(text.front()) &&
         std::all_of(text.begin(), text.end(), rest);
}

std::string_view next_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

// What the first line of a function that is no decorator's defines; empty: it is none.
std::string_view defined_by(std::string_view line) {
  for (const std::string_view word : {"async ", "def "}) {
    if (line.starts_with(word)) {
      line.remove_prefix(word.size());
    } else if (word == "def ") {
      return {};
    }
    while (line.starts_with(' ')) line.remove_prefix(1);
  }
  return line.substr(0, line.find_first_of("([ :"));
}

// Decorators may go over several lines: it is looked for where a line begins with it.
bool defines(std::string_view source, std::string_view name) {
  const bool begins =
      source.starts_with("def ") || source.starts_with("async def ") || source.starts_with('@');
  while (begins && !source.empty()) {
    const std::string_view defined = defined_by(next_line(source));
    if (!defined.empty()) return defined == name;
  }
  return false;
}

// Where the lines of a saved function are, with those that name it; npos: there is none.
struct Span {
  std::size_t begin = std::string::npos;
  std::size_t end = std::string::npos;
};

Span span_of(const std::string& text, std::string_view name) {
  const std::string first = fmt::format("{}{}\n", kBegin, name);
  const std::string last = fmt::format("{}{}\n", kEnd, name);
  Span span;
  span.begin = text.starts_with(first) ? 0 : text.find("\n" + first);
  if (span.begin == std::string::npos) return {};
  if (span.begin != 0) ++span.begin;
  const std::size_t end = text.find("\n" + last, span.begin);
  if (end == std::string::npos) return {};
  span.end = end + 1 + last.size();
  return span;
}

}  // namespace

std::string SavedTools::path() const {
  return folder_.empty() ? std::string() : folder_ + "/user_tools.py";
}

Result<SavedTools::Content> SavedTools::read() const {
  if (folder_.empty() || !is_regular_file(path())) return Content{};
  Result<std::string> text = read_text_file(path(), limits::kSavedToolsBytes);
  if (!text) return text.error();
  Content content{text.take(), {}};
  for (std::string_view rest = content.source; !rest.empty();) {
    const std::string_view line = next_line(rest);
    if (!line.starts_with(kBegin)) continue;
    const std::string_view name = line.substr(kBegin.size());
    if (is_name(name)) content.names.emplace_back(name);
  }
  return content;
}

Result<void> SavedTools::save(std::string_view name, std::string_view source) const {
  if (!is_name(name)) return mistake("The tool", "it has no name that Python can have");
  if (!defines(source, name)) {
    return mistake(name, "its source does not begin with the function of that name");
  }
  if (source.find(kBegin) != std::string_view::npos ||
      source.find(kEnd) != std::string_view::npos) {
    return mistake(name, "its source has lines that mark saved tools");
  }
  Result<Content> content = read();
  if (!content) return content.error();
  std::string text = std::move(content.value().source);
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  std::string entry = fmt::format("{}{}\n{}", kBegin, name, source);
  if (!entry.ends_with('\n')) entry += '\n';
  entry += fmt::format("{}{}\n", kEnd, name);
  if (const Span before = span_of(text, name); before.begin != std::string::npos) {
    text.replace(before.begin, before.end - before.begin, entry);
  } else {
    text += (text.empty() ? "" : "\n") + entry;
  }
  if (text.size() > limits::kSavedToolsBytes) {
    return Error{
        ErrorCode::LimitReached,
        fmt::format("{} was not saved: the saved tools would have {} bytes, and {} are the "
                    "most. Delete some with runtime.delete_tool(name).",
                    name, text.size(), limits::kSavedToolsBytes)};
  }
  return write(text);
}

Result<void> SavedTools::remove(std::string_view name) const {
  Result<Content> content = read();
  if (!content) return content.error();
  std::string text = std::move(content.value().source);
  const Span span = is_name(name) ? span_of(text, name) : Span{};
  if (span.begin == std::string::npos) {
    return Error{ErrorCode::NotFound,
                 fmt::format("No tool was deleted: none of the name '{}' is saved. "
                             "runtime.list_saved_tools() tells which are.",
                             name.substr(0, kNameBytes))};
  }
  text.erase(span.begin, span.end - span.begin);
  return write(text);
}

Result<void> SavedTools::write(const std::string& text) const {
  if (folder_.empty()) {
    return Error{ErrorCode::Unavailable,
                 "The tool was not saved: this server has no folder for saved tools. Set "
                 "MCP_BRIDGE_STATE_DIR to one, and start it again."};
  }
  if (const Result<void> made = make_folder(folder_); !made) return made.error();
  return write_text_file(path(), text, kMode);
}

}  // namespace pyember::host

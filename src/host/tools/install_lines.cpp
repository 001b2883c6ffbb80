#include "host/tools/install_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace pyember::host {

namespace {

constexpr std::string_view kBlank = " \t\r";

Error not_run(const std::string& what) {
  return {ErrorCode::InvalidArgument,
          fmt::format("The cell was not run: {}. Name packages only, such as %pip install "
                      "pandas>=2, or pass dependencies=[…].",
                      what)};
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// Follows Python's text from line to line, as far as it takes to know which lines begin inside a
// string of several lines.
class Strings {
 public:
  bool inside() const { return !quote_.empty(); }

  void read(std::string_view line) {
    for (std::size_t i = 0; i < line.size();) {
      const char c = line[i];
      if (c == '\\') {
        i += 2;
      } else if (!quote_.empty()) {
        const bool ends = line.substr(i).starts_with(quote_);
        i += ends ? quote_.size() : 1;
        if (ends) quote_.clear();
      } else if (c == '#') {
        break;
      } else if (c == '\'' || c == '"') {
        quote_ = std::string(line.substr(i).starts_with(std::string(3, c)) ? 3 : 1, c);
        i += quote_.size();
      } else {
        ++i;
      }
    }
    const bool goes_on = quote_.size() == 3 || (!line.empty() && line.back() == '\\');
    if (!goes_on) quote_.clear();
  }

 private:
  std::string quote_;  // of the string we are in
};

// The words of a command line, quotes taken off, up to a comment.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (const char c : line) {
    if (quote == 0 && kBlank.find(c) != std::string_view::npos) {
      if (in_word) words.push_back(std::move(word));
      word.clear();
      in_word = false;
      continue;
    }
    if (!in_word && c == '#') return words;
    in_word = true;
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else {
      word += c;
    }
  }
  if (in_word) words.push_back(std::move(word));
  return words;
}

// How many words say that packages are to be installed; 0: the line is something else. None of
// these is Python, so they need no % or ! in front.
std::size_t command_words(const std::vector<std::string>& words) {
  using Command = std::array<std::string_view, 4>;
  static constexpr std::array<Command, 10> kCommands = {
      {{"pip", "install"},
       {"pip3", "install"},
       {"uv", "pip", "install"},
       {"uv", "add"},
       {"python", "-m", "pip", "install"},
       {"python3", "-m", "pip", "install"},
       {"{sys.executable}", "-m", "pip", "install"},
       {"$sys.executable", "-m", "pip", "install"},
       {"$PYTHON", "-m", "pip", "install"},
       {"py", "-m", "pip", "install"}}};
  for (const Command& command : kCommands) {
    const auto end = std::find(command.begin(), command.end(), std::string_view());
    const auto count = static_cast<std::size_t>(end - command.begin());
    if (words.size() >= count && std::equal(command.begin(), end, words.begin())) return count;
  }
  return 0;
}

// "%pip install x" of "  %pip install x"; empty when it is no such line.
std::vector<std::string> command_in(std::string_view line) {
  line = trimmed(line);
  if (line.empty()) return {};
  if (line.front() == '%' || line.front() == '!') line.remove_prefix(1);
  std::vector<std::string> words = words_of(line);
  return command_words(words) == 0 ? std::vector<std::string>() : words;
}

bool says_nothing_here(std::string_view option) {
  return option == "-q" || option == "-qq" || option == "-qqq" || option == "--quiet" ||
         option == "-v" || option == "--verbose" || option == "-y" || option == "--no-input" ||
         option == "--no-cache-dir" || option == "--no-cache" || option == "--system" ||
         option == "--break-system-packages" || option == "--disable-pip-version-check" ||
         option == "--prefer-binary" || option == "--no-warn-script-location" ||
         option == "--root-user-action=ignore" || option.starts_with("--progress-bar=");
}

// Where the output goes says nothing here, as there is none.
bool is_redirection(std::string_view word) {
  return word.starts_with("2>") || word.starts_with("1>") || word.starts_with("&>") ||
         (word.starts_with(">") && word.size() > 1 && word[1] != '=');
}

Result<void> read_requirements(const std::vector<std::string>& words, SessionWish& wish) {
  const std::size_t named_before = wish.dependencies.size();
  for (std::size_t i = command_words(words); i < words.size(); ++i) {
    const std::string& word = words[i];
    if (says_nothing_here(word) || is_redirection(word)) continue;
    if (word == ">") {
      ++i;
      continue;
    }
    if (word == "|") break;
    if (word == "-U" || word == "--upgrade") {
      wish.upgrade = true;
      continue;
    }
    if (word == "&&" || word == "||" || word == ";") {
      return not_run("a line that installs packages holds a second command");
    }
    if (word.starts_with("-")) {
      return not_run(
          fmt::format("'{}' is an option that installing into a session does not know", word));
    }
    wish.dependencies.push_back(word);
  }
  if (wish.dependencies.size() == named_before) {
    return not_run("a line that installs packages names none");
  }
  return {};
}

// The line that begins at `from` with those it is continued on; `end` is where the next begins.
std::string whole_line(std::string_view code, std::size_t from, std::size_t& end) {
  std::string line;
  for (;;) {
    end = std::min(code.find('\n', from), code.size());
    std::string_view part = code.substr(from, end - from);
    if (!part.empty() && part.back() == '\r') part.remove_suffix(1);
    end = std::min(end + 1, code.size());
    if (part.empty() || part.back() != '\\' || end == code.size()) return line.append(part);
    line.append(part.substr(0, part.size() - 1)) += ' ';
    from = end;
  }
}

// The same lines, as ones that do nothing.
void append_disabled(std::string& kept, std::string_view lines) {
  const std::size_t indent = std::min(lines.find_first_not_of(kBlank), lines.size());
  kept += lines.substr(0, indent);
  kept += indent == 0 ? "# " : "pass  # ";
  for (const char c : lines.substr(indent, lines.empty() ? 0 : lines.size() - indent - 1)) {
    kept += c;
    if (c == '\n') kept += "# ";
  }
  if (!lines.empty()) kept += lines.back();
}

}  // namespace

Result<void> take_install_lines(std::string& code, std::unique_ptr<SessionWish>& wish) {
  if (code.find("install") == std::string::npos && code.find("uv add") == std::string::npos) {
    return {};
  }
  std::string kept;
  kept.reserve(code.size() + 16);
  Strings strings;
  const std::string_view text = code;
  for (std::size_t from = 0, end = 0; from < text.size(); from = end) {
    const std::string line = whole_line(text, from, end);
    const auto words = strings.inside() ? std::vector<std::string>() : command_in(line);
    if (!words.empty()) {
      if (!wish) wish = std::make_unique<SessionWish>();
      if (auto read = read_requirements(words, *wish); !read) return read;
      append_disabled(kept, text.substr(from, end - from));
      continue;
    }
    end = std::min(text.find('\n', from), text.size() - 1) + 1;
    const std::string_view single = text.substr(from, end - from);
    strings.read(single.substr(0, single.find_last_not_of("\r\n") + 1));
    kept += single;
  }
  code = std::move(kept);
  return {};
}

}  // namespace pyember::host

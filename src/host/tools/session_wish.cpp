#include "host/tools/session_wish.h"

#include <fmt/format.h>

#include <string_view>

#include "host/tools/arguments.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr std::uint64_t kMegabyte = 1'000'000;

const Json* member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Error not_run(const std::string& what, const std::string& instead) {
  return {ErrorCode::InvalidArgument, fmt::format("The cell was not run: {}. {}", what, instead)};
}

Result<std::optional<std::uint64_t>> limit(const Json& limits, const char* name,
                                           std::uint64_t unit) {
  const Json* given = member(limits, name);
  if (given == nullptr) return std::optional<std::uint64_t>();
  const double value = given->is_number() ? given->get<double>() : 0;
  if (!(value > 0) || value > 1e12) {
    return not_run(fmt::format("the limit {} must be a number above 0", name),
                   "Give another, or leave it out.");
  }
  return std::optional<std::uint64_t>(
      std::max<std::uint64_t>(1, static_cast<std::uint64_t>(value * static_cast<double>(unit))));
}

Result<void> read_limits(const Json& given, WorkerLimits& limits) {
  for (const auto& [name, unit, target] :
       {std::tuple{"memory_mb", kMegabyte, &limits.memory_bytes},
        std::tuple{"cpu_seconds", std::uint64_t{1}, &limits.cpu_seconds},
        std::tuple{"processes", std::uint64_t{1}, &limits.processes},
        std::tuple{"file_size_mb", kMegabyte, &limits.file_size_bytes},
        std::tuple{"open_files", std::uint64_t{1}, &limits.open_files}}) {
    auto value = limit(given, name, unit);
    if (!value) return value.error();
    *target = value.value();
  }
  return {};
}

Result<void> read_confinement(const Json& given, embed::Confinement& confinement) {
  if (const Json* network = member(given, "network"); network != nullptr) {
    confinement.no_network = network->is_boolean() && !network->get<bool>();
  }
  const Json* write = member(given, "write");
  if (write == nullptr) return {};
  confinement.write_paths.emplace();
  for (const Json& path : *write) {
    const std::string text = path.is_string() ? path.get<std::string>() : std::string();
    if (text.empty() || text.front() != '/') {
      return not_run(fmt::format("confine.write holds '{}', which is no absolute path", text),
                     "Name folders by absolute paths.");
    }
    confinement.write_paths->push_back(text);
  }
  return {};
}

// --- lines that install ------------------------------------------------------------------------

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// What follows "pip install" when the line is such a request.
std::optional<std::string_view> install_arguments(std::string_view line) {
  line = trimmed(line);
  for (const std::string_view start :
       {"%pip install ", "!pip install ", "!pip3 install ", "!uv pip install ", "%uv pip install ",
        "!python -m pip install ", "!python3 -m pip install "}) {
    if (line.starts_with(start)) return trimmed(line.substr(start.size()));
  }
  return std::nullopt;
}

// One word of a command line, quotes taken off; `rest` loses it.
std::string next_word(std::string_view& rest) {
  rest = trimmed(rest);
  std::string word;
  char quote = 0;
  std::size_t i = 0;
  for (; i < rest.size(); ++i) {
    const char c = rest[i];
    if (quote == 0 && (c == ' ' || c == '\t')) break;
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else {
      word += c;
    }
  }
  rest.remove_prefix(i);
  return word;
}

Result<void> read_requirements(std::string_view arguments, SessionWish& wish) {
  while (!trimmed(arguments).empty()) {
    const std::string word = next_word(arguments);
    if (word == "-q" || word == "--quiet" || word == "-U" || word == "--upgrade") continue;
    if (word.starts_with("#")) return {};
    if (word.starts_with("-")) {
      return not_run(
          fmt::format("'{}' is an option that installing into a session does not know", word),
          "Name packages only, such as %pip install pandas>=2, or pass "
          "dependencies=[…].");
    }
    wish.dependencies.push_back(word);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<SessionWish>> wish_in(const Json& arguments) {
  std::unique_ptr<SessionWish> wish;
  const auto asked = [&]() -> SessionWish& {
    if (!wish) wish = std::make_unique<SessionWish>();
    return *wish;
  };
  if (const Json* given = member(arguments, "isolation")) {
    asked().isolation = parse_isolation(given->get<std::string>());
  }
  if (const Json* given = member(arguments, "dependencies"); given != nullptr && !given->empty()) {
    for (const Json& each : *given) asked().dependencies.push_back(each.get<std::string>());
  }
  if (const Json* given = member(arguments, "python_version")) {
    asked().python_version = given->get<std::string>();
  }
  if (const Json* given = member(arguments, "limits")) {
    if (auto read = read_limits(*given, asked().limits); !read) return read.error();
  }
  if (const Json* given = member(arguments, "confine")) {
    if (auto read = read_confinement(*given, asked().confinement); !read) return read.error();
  }
  if (wish && wish->empty()) wish.reset();
  return wish;
}

Result<void> take_install_lines(std::string& code, std::unique_ptr<SessionWish>& wish) {
  if (code.find("pip") == std::string::npos || code.find(" install ") == std::string::npos) {
    return {};
  }
  std::string kept;
  kept.reserve(code.size() + 8);
  std::string_view rest = code;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    const auto arguments = install_arguments(line);
    if (arguments) {
      if (!wish) wish = std::make_unique<SessionWish>();
      if (auto read = read_requirements(*arguments, *wish); !read) return read;
      kept += "# ";
    }
    kept += line;
    if (end == std::string_view::npos) break;
    kept += '\n';
    rest.remove_prefix(end + 1);
  }
  code = std::move(kept);
  return {};
}

void add_wish_properties(Json& properties) {
  const auto number = [](const char* name) { return Json{{name, {{"type", "number"}}}}; };
  Json limits = Json::object();
  for (const char* name : {"memory_mb", "cpu_seconds", "processes", "file_size_mb", "open_files"}) {
    limits.update(number(name));
  }
  properties["isolation"] = {
      {"type", "string"},
      {"enum", {"auto", "inprocess", "process"}},
      {"description", "of a new session; auto moves to a worker process when code needs one"}};
  properties["dependencies"] = {
      {"type", "array"},
      {"items", {{"type", "string"}}},
      {"description", "packages to install into the session first, e.g. pandas>=2"}};
  properties["python_version"] = {{"type", "string"}, {"description", "of a new session"}};
  properties["limits"] = {{"type", "object"},
                          {"properties", limits},
                          {"additionalProperties", false},
                          {"description", "of a new session's process; cpu_seconds also per call"}};
  properties["confine"] = {
      {"type", "object"},
      {"properties",
       {{"network", {{"type", "boolean"}}},
        {"write", {{"type", "array"}, {"items", {{"type", "string"}}}}}}},
      {"additionalProperties", false},
      {"description", "guard rail for a new in-process session: no network, folders to write in"}};
}

}  // namespace pyember::host

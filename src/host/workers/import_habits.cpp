#include "host/workers/import_habits.h"

#include <algorithm>
#include <array>

namespace pyember::host {

namespace {

// Import times of 20 ms and more, and no code of their own that runs on import and should not.
constexpr std::array<std::string_view, 16> kWorthwhile = {
    "PIL",    "bs4",      "httpx",   "lxml",     "matplotlib", "networkx", "numpy", "pandas",
    "polars", "pydantic", "pyarrow", "requests", "scipy",      "sklearn",  "sympy", "yaml"};

constexpr std::string_view kSpace = " \t";

// The part of a package that takes the time, where importing the package alone does not load it.
std::string_view module_to_load(std::string_view package) {
  return package == "matplotlib" ? "matplotlib.pyplot" : package;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

// The top-level package of a dotted name at the start of `text`.
std::string_view package_at(std::string_view text) {
  text = trimmed(text);
  const std::size_t end =
      text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
  return text.substr(0, end);
}

void add(std::vector<std::string_view>& found, std::string_view package) {
  if (std::find(kWorthwhile.begin(), kWorthwhile.end(), package) == kWorthwhile.end()) return;
  if (std::find(found.begin(), found.end(), package) == found.end()) found.push_back(package);
}

void look_at_line(std::string_view line, std::vector<std::string_view>& found) {
  line = trimmed(line);
  if (line.starts_with("from ")) return add(found, package_at(line.substr(5)));
  if (!line.starts_with("import ")) return;
  line.remove_prefix(7);
  for (;;) {
    add(found, package_at(line));
    const std::size_t comma = line.find(',');
    if (comma == std::string_view::npos) return;
    line.remove_prefix(comma + 1);
  }
}

}  // namespace

std::vector<std::string_view> worthwhile_imports(std::string_view code) {
  std::vector<std::string_view> found;
  if (code.find("import ") == std::string_view::npos) return found;
  for (;;) {
    const std::size_t end = code.find_first_of("\n;");
    look_at_line(code.substr(0, end), found);
    if (end == std::string_view::npos) return found;
    code.remove_prefix(end + 1);
  }
}

std::vector<std::string> ImportHabits::look(std::uint64_t worker, std::string_view code) {
  std::vector<std::string> wanted;
  for (const std::string_view package : worthwhile_imports(code)) {
    const auto known = asked_.find(package);
    if (known == asked_.end()) {
      asked_.emplace(package, Asked{worker, false});
    } else if (!known->second.told && known->second.first_worker != worker) {
      known->second.told = true;
      wanted.emplace_back(module_to_load(package));
    }
  }
  return wanted;
}

}  // namespace pyember::host

#include "host/upstream/config/variables.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/limits.h"

namespace pyember::host {

namespace {

constexpr std::size_t kDeepestDefault = 8;      // ${A:-${B:-…}}; people write two
constexpr std::size_t kLongestVariable = 4096;  // with its default

bool is_name(std::string_view text) {
  const auto fits = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  };
  return !text.empty() && std::isdigit(static_cast<unsigned char>(text.front())) == 0 &&
         std::all_of(text.begin(), text.end(), fits);
}

// Clients ask people for these, or run commands for them; we have neither.
bool is_foreign(std::string_view inside) {
  constexpr std::array<std::string_view, 3> kKinds = {"input:", "command:", "config:"};
  return std::any_of(kKinds.begin(), kKinds.end(),
                     [inside](std::string_view kind) { return inside.starts_with(kind); });
}

// The position of the brace that closes what was opened before `at`; npos: none does, or only
// behind what people write into one variable.
std::size_t closing_brace(std::string_view text, std::size_t at) {
  const std::size_t end = std::min(text.size(), at + kLongestVariable);
  std::size_t open = 1;
  for (; at < end && open <= kDeepestDefault + 1; ++at) {
    if (text[at] == '{' && text[at - 1] == '$') ++open;
    if (text[at] == '}' && --open == 0) return at;
  }
  return std::string_view::npos;
}

class Expansion {
 public:
  explicit Expansion(const VariableLookup& lookup) : lookup_(lookup) {}

  ExpandedText take() { return std::move(result_); }

  void add(std::string_view text, std::size_t depth) {
    std::size_t at = 0;
    while (at < text.size()) {
      const std::size_t opening = text.find('{', at);
      if (opening == std::string_view::npos) break;
      const bool dollar = opening > at && text[opening - 1] == '$';
      append(text.substr(at, opening - at - (dollar ? 1 : 0)));
      at = opening + 1;
      const std::size_t end = closing_brace(text, at);
      const std::string_view inside =
          end == std::string_view::npos ? std::string_view() : text.substr(at, end - at);
      const bool is_variable = dollar || inside.starts_with("env:");
      if (is_variable && add_variable(inside, depth)) {
        at = end + 1;
      } else {
        append(dollar ? "${" : "{");
      }
    }
    append(text.substr(at));
  }

 private:
  void append(std::string_view text) {
    const std::size_t room = limits::kConfigurationTextBytes - result_.text.size();
    result_.text += text.substr(0, room);
  }

  // False: it is no variable, and nothing was added.
  bool add_variable(std::string_view inside, std::size_t depth) {
    const std::size_t separator = inside.find(":-");
    std::string_view name = inside.substr(0, separator);
    if (name.starts_with("env:")) name.remove_prefix(4);
    if (is_foreign(name)) {
      result_.foreign.push_back("${" + std::string(inside) + "}");
      return true;
    }
    if (!is_name(name) || depth >= kDeepestDefault) return false;
    const std::optional<std::string> value = lookup_(std::string(name));
    if (value && (!value->empty() || separator == std::string_view::npos)) {
      append(*value);
    } else if (separator != std::string_view::npos) {
      add(inside.substr(separator + 2), depth + 1);
    } else {
      result_.missing.emplace_back(name);
    }
    return true;
  }

  const VariableLookup& lookup_;
  ExpandedText result_;
};

}  // namespace

ExpandedText expand_variables(std::string_view text, const VariableLookup& lookup) {
  Expansion expansion(lookup);
  expansion.add(text, 0);
  return expansion.take();
}

}  // namespace pyember::host

#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pyember::host {

// The value of a variable; nothing: it is not set.
using VariableLookup = std::function<std::optional<std::string>(const std::string& name)>;

struct ExpandedText {
  std::string text;
  std::vector<std::string> missing;  // variables that are not set and have no default: left empty
  std::vector<std::string> foreign;  // what only the client could fill in: "${input:token}"
};

// A text of a configuration with its variables filled in: ${NAME}, ${NAME:-default}, ${env:NAME},
// ${env:NAME:-default} and {env:NAME}. The default is taken when the variable is unset or empty,
// and may hold variables itself. What is none of these stays as it is. The result is cut off above
// limits::kConfigurationTextBytes.
ExpandedText expand_variables(std::string_view text, const VariableLookup& lookup);

}  // namespace pyember::host

#pragma once

#include <set>
#include <string>
#include <string_view>

namespace pyember::host {

// A name as Python code writes it: lower case, each run of other characters than [a-z0-9_] one '_',
// and '_' before a leading digit.
std::string alias_of(std::string_view name);

// Aliases of one list: one that is taken becomes name_2, name_3 ….
class UniqueAliases {
 public:
  UniqueAliases() = default;
  explicit UniqueAliases(std::set<std::string> taken) : taken_(std::move(taken)) {}
  std::string take(const std::string& alias);

 private:
  std::set<std::string> taken_;
};

}  // namespace pyember::host

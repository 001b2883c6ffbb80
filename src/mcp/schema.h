#pragma once

#include "mcp/json.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pyember::mcp {

// A compiled input schema: checks a call's arguments and says what is wrong in words a model can
// act on. Knows the part of JSON Schema our tools use: type, properties, required,
// additionalProperties (a bool), enum, minimum, maximum, exclusiveMinimum, exclusiveMaximum,
// minLength, maxLength (in characters), items, and the annotations, which check nothing. Any other
// keyword is our own mistake and fails a CHECK when it is compiled, so that no promise of a listed
// schema is ever left unchecked.
class Schema {
 public:
  explicit Schema(const Json& schema);
  ~Schema();
  Schema(Schema&&) noexcept;

  // Sentences, one for each problem, none longer than a line; empty: the value fits. At most
  // kMaximumProblems are named.
  std::vector<std::string> check(const Json& value) const;

  // The names of the root's properties, in the order of the schema.
  std::vector<std::string_view> property_names() const;

  static constexpr std::size_t kMaximumProblems = 5;

 private:
  struct Node;
  class Checker;
  static std::unique_ptr<Node> compile(const Json& schema);
  std::unique_ptr<Node> root_;
};

}  // namespace pyember::mcp

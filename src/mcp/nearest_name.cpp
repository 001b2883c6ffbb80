#include "mcp/nearest_name.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace pyember::mcp {
namespace {

constexpr std::size_t kLongestCompared = 64;  // names of arguments and tools are shorter

// Levenshtein's distance, one row at a time.
std::size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < left.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < right.size(); ++j) {
      const std::size_t replaced = diagonal + (left[i] == right[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

// A third of the letters may be wrong; session_id for session (one begins with the other) is near.
bool is_near(std::string_view name, std::string_view candidate, std::size_t distance) {
  if (distance <= std::max<std::size_t>(2, candidate.size() / 3) && distance < candidate.size()) {
    return true;
  }
  return candidate.size() >= 4 && (name.starts_with(candidate) || name.ends_with(candidate));
}

}  // namespace

std::string_view nearest_name(std::string_view name,
                              const std::vector<std::string_view>& candidates) {
  if (name.size() > kLongestCompared) return {};
  std::string_view nearest;
  std::size_t nearest_distance = kLongestCompared;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < nearest_distance && is_near(name, candidate, distance)) {
      nearest = candidate;
      nearest_distance = distance;
    }
  }
  return nearest;
}

}  // namespace pyember::mcp

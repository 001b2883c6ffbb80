#pragma once

#include <string>
#include <vector>

namespace pyember::cli {

enum class FindingState {
  Ok,       // there, and works
  Note,     // worth knowing; nothing has to be done
  Warning,  // something works less well without it
  Problem,  // something pyember is for does not work: exit code 1
};

// What one look found. `advice` says what to do about it, and is empty when nothing is.
struct Finding {
  std::string section;
  std::string name;
  FindingState state = FindingState::Ok;
  std::string detail;
  std::string advice;
};

using Findings = std::vector<Finding>;

const char* to_string(FindingState state);  // "ok", "note", "warning", "problem"

}  // namespace pyember::cli

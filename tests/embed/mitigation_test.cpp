#include <cstdlib>
#include <string>

#include "support/catch.h"

// One mitigation each, on and off; the ones that show at the server's door are in
// tests/e2e/test_mitigations.py.

namespace {

int exit_code_of(const std::string& arguments) {
  return std::system(
      (std::string("timeout 60 ") + PYEMBER_ENDING_PROBE + arguments + " >/dev/null 2>&1").c_str());
}

}  // namespace

TEST_CASE("Runtime: modules with static types survive ended interpreters when main had them first",
          "[slow]") {
  CHECK(exit_code_of("") == 0);
}

TEST_CASE("Runtime: without the imports in main, ending interpreters takes the process down",
          "[slow]") {
  CHECK(exit_code_of(" no_main_imports") != 0);
}

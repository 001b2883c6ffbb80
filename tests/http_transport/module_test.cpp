// The module: found, loaded, or told of.
#include "host/http/http_module.h"

#include <stdlib.h>

#include "support/catch.h"

using namespace pyember;
using namespace pyember::host;

namespace {

// The variable that names the module, put back afterwards.
class Named {
 public:
  explicit Named(const std::string& path) {
    if (const char* const before = getenv(kVariable)) before_ = before;
    setenv(kVariable, path.c_str(), 1);
  }
  ~Named() {
    if (before_.empty()) {
      unsetenv(kVariable);
    } else {
      setenv(kVariable, before_.c_str(), 1);
    }
  }

 private:
  static constexpr const char* kVariable = "PYEMBER_HTTP_MODULE";
  std::string before_;
};

bool says(const Result<HttpModule>& result, const std::string& text) {
  return result.error().message.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("HttpModule: it is loaded, and has what is asked of it") {
  const Named named(PYEMBER_TEST_MODULE);
  const Result<HttpModule> module = HttpModule::load();
  REQUIRE(module);
  REQUIRE(module.value().read_public_key() != nullptr);
  CHECK(module.value().read_public_key()("{}", 2) == nullptr);
}

TEST_CASE("HttpModule: one that is no module is told of, with what to do") {
  const Named named("/dev/null");
  const Result<HttpModule> module = HttpModule::load();
  REQUIRE_FALSE(module);
  CHECK(module.error().code == ErrorCode::Unavailable);
  CHECK(says(module, "/dev/null can't be loaded"));
  CHECK(says(module, "libmicrohttpd"));
}

TEST_CASE("HttpModule: one that is not there is told of") {
  const Named named("/nonexistent/pyember-http.so");
  const Result<HttpModule> module = HttpModule::load();
  REQUIRE_FALSE(module);
  CHECK(says(module, "/nonexistent/pyember-http.so can't be loaded"));
}

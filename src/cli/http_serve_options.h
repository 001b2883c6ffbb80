#pragma once

#include <string>

#include "base/result.h"
#include "host/http/http_options.h"
#include "host/options.h"

namespace CLI {
class App;
}

namespace pyember::cli {

// The options of `pyember serve --transport http`, with their PYEMBER_* variables. `app` outlives
// it; call finish() once it has parsed.
class HttpServeOptions {
 public:
  explicit HttpServeOptions(CLI::App& app);
  HttpServeOptions(const HttpServeOptions&) = delete;
  HttpServeOptions& operator=(const HttpServeOptions&) = delete;

  // Puts them into `options` when HTTP is asked for. The error: they don't fit together, or leave
  // the server open to others.
  Result<void> finish(host::Options& options);

 private:
  Result<void> check_unused() const;
  Result<void> find_credentials();
  Result<void> keep_callers_apart(host::Options& options) const;

  CLI::App& app_;
  std::string transport_ = "stdio";
  bool trust_callers_ = false;
  host::HttpOptions http_;
};

}  // namespace pyember::cli

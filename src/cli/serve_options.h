#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/http_serve_options.h"
#include "host/options.h"

namespace CLI {
class App;
}

namespace pyember::cli {

// The options of `pyember serve`, with their PYEMBER_* variables. `app` and `options` outlive it;
// what CLI11 has parsed is in `options` once finish() has been called.
class ServeOptions {
 public:
  ServeOptions(CLI::App& app, host::Options& options);
  ServeOptions(const ServeOptions&) = delete;
  ServeOptions& operator=(const ServeOptions&) = delete;

  // After the parsing: translates and checks what was read as text or seconds.
  Result<void> finish();

 private:
  void take_code_mode();
  Result<void> read_allowance();
  Result<void> read_policy();
  Result<void> read_scripts_boundary();

  CLI::App& app_;
  host::Options& options_;
  HttpServeOptions http_;
  std::string profile_;  // empty: the program's name decides
  std::string checkpoints_ = "on";
  std::string import_packages_ = "on";
  std::string policy_file_;      // empty: the one in the configuration folder, if there is one
  std::string isolation_;        // empty: the profile decides
  std::string sandbox_scripts_;  // empty: not
  std::string sandbox_fallback_ = "none";
  std::string log_format_ = "text";
  std::vector<std::string> sandbox_hosts_;
  std::vector<std::string> sandbox_paths_;
  bool unsupervised_ = false;
  bool no_upstreams_ = false;
  double timeout_;  // seconds, as people write them
  double maximum_timeout_;
  double idle_timeout_;
};

}  // namespace pyember::cli

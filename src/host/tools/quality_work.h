#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/environments/environments.h"
#include "host/environments/helper_command.h"
#include "host/tools/progress.h"
#include "host/tools/quality_tools.h"
#include "host/tools/tool_answer.h"
#include "mcp/tool.h"

namespace pyember::host {

// One call that has programs of Python packages look at code: a private folder for its files, an
// environment with the package, one command after another, and the answer. Each step ends with a
// callback that keeps the work alive; cancelling the call drops them, and with them the command
// that runs. Loop's thread only.
class QualityWork : public std::enable_shared_from_this<QualityWork> {
 public:
  QualityWork(const QualityParts& parts, std::shared_ptr<mcp::ToolCall> call, AnswerForm form);
  ~QualityWork();
  QualityWork(const QualityWork&) = delete;
  QualityWork& operator=(const QualityWork&) = delete;

  const mcp::Json& arguments() const { return call_->arguments(); }

  // What the call names: `script_content`, written to a file of ours, or `script_path`, a file or
  // directory that exists. Exactly one. False: answered.
  bool find_code();
  const std::string& code() const { return code_; }  // path
  bool is_inline() const { return inline_; }
  // Settings that lie beside the code count: they may name other files to be read.
  bool takes_settings() const { return !inline_ && named_.any; }
  std::string file(const char* name) const { return folder_ + "/" + name; }  // private
  // A path as it is answered: inline code has no file the caller knows.
  std::string shown(const std::string& path) const;

  // `ready` gets the environment of these packages; without it the call is answered.
  void with_packages(std::vector<std::string> packages,
                     std::function<void(const ReadyEnvironment&)> ready);
  // `ended` gets how it ended; what could not be started or took too long is answered.
  void run(std::vector<std::string> command, std::function<void(const CommandEnd&)> ended);

  void answer(mcp::Json structured, Renderer render);
  void fail(const Error& error);

 private:
  EventLoop& loop_;
  Environments& environments_;
  const CallerPaths named_;
  const std::shared_ptr<mcp::ToolCall> call_;
  const AnswerForm form_;
  std::unique_ptr<ProgressFeed> feed_;  // a sign of life, while packages are fetched
  std::string folder_;
  std::string code_;
  bool inline_ = false;
  std::uint64_t request_ = 0;
  std::unique_ptr<HelperCommand> command_;
};

}  // namespace pyember::host

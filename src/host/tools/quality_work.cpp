#include "host/tools/quality_work.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <filesystem>
#include <utility>

#include "base/limits.h"
#include "host/scripts/text_file.h"
#include "host/tools/arguments.h"

namespace pyember::host {

using mcp::Json;

namespace {

constexpr const char* kInlineName = "script_content";

std::string private_folder() {
  const char* base = getenv("TMPDIR");
  std::string path =
      fmt::format("{}/pyember-code-XXXXXX", base != nullptr && *base == '/' ? base : "/tmp");
  return mkdtemp(path.data()) != nullptr ? path : std::string();
}

Error cannot_run(const std::string& program, const std::string& why) {
  return {ErrorCode::Unavailable, fmt::format("{} could not be run: {}\nRemove its environment "
                                              "(environment_cache_list shows it) and try again.",
                                              program, why)};
}

}  // namespace

QualityWork::QualityWork(const QualityParts& parts, std::shared_ptr<mcp::ToolCall> call,
                         AnswerForm form)
    : loop_(parts.loop),
      environments_(parts.environments),
      named_(parts.named),
      call_(std::move(call)),
      form_(answer_form_like(*call_, std::move(form))) {
  if (call_->wants_progress()) feed_ = std::make_unique<ProgressFeed>(parts.ticker, call_);
}

QualityWork::~QualityWork() {
  command_.reset();  // before the files it works on
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

bool QualityWork::find_code() {
  const Arguments given(arguments());
  const auto path = given.text("script_path");
  const auto content = given.text("script_content");
  if (path.has_value() == content.has_value()) {
    fail({ErrorCode::InvalidArgument,
          fmt::format("{} of script_path and script_content is given: provide exactly "
                      "one.\nscript_path names a file or directory, script_content is the source.",
                      path ? "both" : "neither")});
    return false;
  }
  if (path) {
    constexpr const char* kInstead = "Give script_content.";
    const std::string whole = resolved_path(*path, working_directory());
    const Result<void> named = given.flag("write", false)
                                   ? named_.check_writing("script_path", whole, kInstead)
                                   : named_.check_reading("script_path", whole, kInstead);
    if (!named) {
      fail(named.error());
      return false;
    }
  }
  folder_ = private_folder();
  if (folder_.empty()) {
    fail({ErrorCode::Unavailable,
          "no folder for the code could be made in TMPDIR (/tmp).\nMake room there, or set TMPDIR "
          "to another folder."});
    return false;
  }
  inline_ = content.has_value();
  code_ = inline_ ? file("code.py") : resolved_path(*path, working_directory());
  if (inline_) {
    const Result<void> written = write_text_file(code_, *content);
    if (!written) fail(written.error());
    return written.ok();
  }
  if (is_regular_file(code_) || is_directory(code_)) return true;
  fail({ErrorCode::NotFound,
        fmt::format("{} does not exist (relative to {}).\nName a file or a directory.", code_,
                    working_directory())});
  return false;
}

std::string QualityWork::shown(const std::string& path) const {
  return inline_ && path.find("code.py") != std::string::npos ? kInlineName : path;
}

void QualityWork::with_packages(std::vector<std::string> packages,
                                std::function<void(const ReadyEnvironment&)> ready) {
  call_->on_cancel([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    if (self->request_ != 0) self->environments_.cancel(std::exchange(self->request_, 0));
    self->command_.reset();  // and with it the callback that keeps us
  });
  std::string names;
  for (const std::string& each : packages) names += (names.empty() ? "" : " and ") + each;
  request_ = environments_.prepare(
      EnvironmentKey{"", std::move(packages)},
      [self = shared_from_this(), names, ready = std::move(ready)](
          const std::optional<ReadyEnvironment>& environment, const EnvironmentFailure& failure) {
        self->request_ = 0;
        if (environment) return ready(*environment);
        if (failure.missing) return self->fail(*failure.missing);
        self->fail({ErrorCode::Unavailable,
                    fmt::format("{} could not be installed.\nCheck the network and the package "
                                "index; once installed they are found without either. uv said: {}",
                                names, failure.stderr_text)});
      });
}

void QualityWork::run(std::vector<std::string> command,
                      std::function<void(const CommandEnd&)> ended) {
  const std::string program = command.front();
  HelperCommand::Settings settings{std::move(command), helper_environment(), folder_,
                                   limits::kQualityDeadline};
  auto finished = [self = shared_from_this(), program,
                   ended = std::move(ended)](const CommandEnd& end) {
    if (!end.start_error.empty()) return self->fail(cannot_run(program, end.start_error));
    if (end.timed_out) return self->fail(cannot_run(program, "it took too long and was ended."));
    ended(end);
  };
  command_ = std::make_unique<HelperCommand>(loop_, std::move(settings), std::move(finished));
}

void QualityWork::answer(Json structured, Renderer render) {
  feed_.reset();
  call_->complete(tool_answer(form_, std::move(structured), render));
}

void QualityWork::fail(const Error& error) {
  feed_.reset();
  call_->complete(fault_answer(form_, fault_of(error)));
}

}  // namespace pyember::host

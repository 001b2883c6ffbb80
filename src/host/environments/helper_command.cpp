#include "host/environments/helper_command.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "base/own_environment.h"
#include "base/thread_affinity.h"
#include "host/loop/child_signal.h"
#include "host/loop/uv_handle.h"

namespace pyember::host {

namespace {

constexpr std::size_t kChunk = 16u << 10;

// Reads one of the child's streams to its end.
class ChildStream {
 public:
  ChildStream(EventLoop& loop, std::function<void()> ended)
      : pipe_(loop), ended_callback_(std::move(ended)) {
    CHECK(uv_pipe_init(loop.raw(), pipe_.get(), 0) == 0);
    pipe_.opened(this);
  }

  uv_stream_t* raw() { return reinterpret_cast<uv_stream_t*>(pipe_.get()); }
  bool ended() const { return ended_; }
  std::string take() { return std::move(text_); }

  void start() {
    uv_read_start(
        raw(),
        [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
          auto* self = static_cast<ChildStream*>(handle->data);
          *buffer = self ? uv_buf_init(self->chunk_.data(), kChunk) : uv_buf_init(nullptr, 0);
        },
        [](uv_stream_t* stream, ssize_t n, const uv_buf_t*) {
          if (auto* self = static_cast<ChildStream*>(stream->data)) self->read(n);
        });
  }

 private:
  void read(ssize_t n) {
    if (n > 0) {
      text_.append(chunk_.data(), static_cast<std::size_t>(n));
      // What explains a failure comes last.
      if (text_.size() > 2 * limits::kUvOutputBytes) {
        text_.erase(0, text_.size() - limits::kUvOutputBytes);
      }
    } else if (n < 0) {
      uv_read_stop(raw());
      ended_ = true;
      ended_callback_();
    }
  }

  UvHandle<uv_pipe_t> pipe_;
  std::function<void()> ended_callback_;
  std::array<char, kChunk> chunk_{};
  std::string text_;
  bool ended_ = false;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> found;
  found.reserve(texts.size() + 1);
  for (std::string& text : texts) found.push_back(text.data());
  found.push_back(nullptr);
  return found;
}

std::string last_part(std::string text) {
  if (text.size() <= limits::kUvOutputBytes) return text;
  return "… [beginning left out]\n" + text.substr(text.size() - limits::kUvOutputBytes);
}

}  // namespace

class HelperCommand::Impl {
 public:
  Impl(EventLoop& loop, Settings settings, Done done)
      : done_(std::move(done)),
        process_(loop),
        output_(loop, [this] { look(); }),
        errors_(loop, [this] { look(); }),
        deadline_(loop, [this] { time_is_over(); }),
        grace_(loop, [this] { finish(); }) {
    keep_child_signal_on_loop(loop);
    const std::chrono::milliseconds deadline = settings.deadline;
    const int failed = spawn(loop, std::move(settings));
    if (failed != 0) {
      end_.start_error = uv_strerror(failed);
      end_.exit_code = 127;
      grace_.start(std::chrono::milliseconds(0));
      return;
    }
    running_ = true;
    output_.start();
    errors_.start();
    deadline_.start(deadline);
  }

  ~Impl() {
    if (!running_) return;
    end_group();
    // A killed process is gone within a moment; waiting for it here keeps it from staying behind
    // as a zombie, because libuv forgets it with its handle.
    for (int i = 0; i < 200 && waitpid(pid_, nullptr, WNOHANG) == 0; ++i) usleep(1000);
  }

 private:
  int spawn(EventLoop& loop, Settings settings) {
    std::vector<char*> arguments = pointers(settings.command);
    std::vector<char*> environment = pointers(settings.environment);
    std::array<uv_stdio_container_t, 3> stdio{};
    stdio[0].flags = UV_IGNORE;
    for (int i : {1, 2}) {
      stdio[i].flags = static_cast<uv_stdio_flags>(UV_CREATE_PIPE | UV_WRITABLE_PIPE);
      stdio[i].data.stream = i == 1 ? output_.raw() : errors_.raw();
    }
    uv_process_options_t options{};
    options.file = arguments[0];
    options.args = arguments.data();
    options.env = environment.data();
    options.cwd = settings.directory.c_str();
    options.flags = UV_PROCESS_DETACHED;  // a group of its own, so that all of it can be ended
    options.stdio = stdio.data();
    options.stdio_count = static_cast<int>(stdio.size());
    options.exit_cb = [](uv_process_t* process, std::int64_t status, int signal) {
      if (auto* self = static_cast<Impl*>(process->data)) self->exited(status, signal);
    };
    // uv must not inherit the one CPU that the loop may share with a session just now.
    release_this_thread_to_all_cpus();
    const int failed = uv_spawn(loop.raw(), process_.get(), &options);
    process_.opened(this);  // also after a failure it must be closed
    pid_ = failed == 0 ? process_.get()->pid : 0;
    return failed;
  }

  void exited(std::int64_t status, int signal) {
    running_ = false;
    end_.exit_code = signal != 0 ? -signal : static_cast<int>(status);
    // What it started is ended with it; a pipe that something else holds all the same is not
    // waited for.
    kill(-pid_, SIGKILL);
    grace_.start(limits::kUvEndGrace);
    look();
  }

  void time_is_over() {
    end_.timed_out = true;
    end_group();
  }

  void end_group() { kill(-pid_, SIGKILL); }

  void look() {
    if (!running_ && output_.ended() && errors_.ended()) finish();
  }

  void finish() {
    deadline_.stop();
    grace_.stop();
    if (!done_) return;
    end_.output = last_part(output_.take());
    end_.errors = last_part(errors_.take());
    const Done done = std::exchange(done_, nullptr);
    CommandEnd end = std::move(end_);
    done(std::move(end));  // may destroy this
  }

  Done done_;
  UvHandle<uv_process_t> process_;
  ChildStream output_;
  ChildStream errors_;
  Timer deadline_;
  Timer grace_;
  CommandEnd end_;
  int pid_ = 0;
  bool running_ = false;
};

HelperCommand::HelperCommand(EventLoop& loop, Settings settings, Done done)
    : impl_(std::make_unique<Impl>(loop, std::move(settings), std::move(done))) {}

HelperCommand::~HelperCommand() = default;

std::vector<std::string> helper_environment() {
  constexpr std::array<std::string_view, 8> kLeftOut = {
      "VIRTUAL_ENV", "CONDA_PREFIX",   "PYTHONHOME",  "PYTHONPATH",
      "NO_COLOR",    "UV_NO_PROGRESS", "FORCE_COLOR", "UV_WORKING_DIR"};
  std::vector<std::string> found{"NO_COLOR=1", "UV_NO_PROGRESS=1"};
  for (const auto& [name, value] : own_environment()) {
    if (std::find(kLeftOut.begin(), kLeftOut.end(), name) == kLeftOut.end()) {
      found.push_back(fmt::format("{}={}", name, value));
    }
  }
  return found;
}

}  // namespace pyember::host

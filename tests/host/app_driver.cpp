#include "app_driver.h"

#include "host/logging.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <system_error>

namespace pyember::host {

using mcp::Json;

namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

AppDriver::AppDriver(Options options, embed::RuntimeHealth health)
    : owned_(std::make_unique<FakeRuntime>()), runtime_(owned_.get()) {
  runtime_->told = std::move(health);
  // Never the jobs of whoever runs the tests.
  std::string folder = (std::filesystem::temp_directory_path() / "pyember-app-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) abort();
  folder_ = folder;
  if (options.jobs_directory.empty()) options.jobs_directory = folder_ + "/meta";
  int in[2];
  int out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) abort();
  to_server_ = in[1];
  from_server_ = out[0];
  fcntl(in[0], F_SETFL, O_NONBLOCK);
  fcntl(out[1], F_SETFL, O_NONBLOCK);
  thread_ = std::thread([this, options = std::move(options), input = in[0], output = out[1]] {
    log_to_stderr("off");
    PythonEnvironment environment;
    journal::JournalMemory memory =
        journal::JournalMemory::make(journal::JournalMemory::Kind::Private).take();
    App app(options, environment, ProtocolDescriptors{input, output}, memory,
            [this](embed::RuntimeOptions) { return std::move(owned_); });
    exit_code_ = app.run();
    over_ = true;
  });
  request("initialize", {{"protocolVersion", "2025-11-25"},
                         {"capabilities", Json::object()},
                         {"clientInfo", {{"name", "test"}, {"version", "1"}}}});
  answer(1);
  notify("notifications/initialized", Json::object());
}

AppDriver::~AppDriver() {
  close_input();
  close(from_server_);
  thread_.join();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void AppDriver::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(to_server_, bytes.data(), bytes.size());
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

int AppDriver::request(const std::string& method, Json params) {
  const int id = next_id_++;
  const Json message = {
      {"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}};
  send(mcp::to_json_text(message) + "\n");
  return id;
}

void AppDriver::notify(const std::string& method, Json params) {
  const Json message = {{"jsonrpc", "2.0"}, {"method", method}, {"params", std::move(params)}};
  send(mcp::to_json_text(message) + "\n");
}

int AppDriver::call(const std::string& tool, Json arguments, Json meta) {
  Json params = {{"name", tool}, {"arguments", std::move(arguments)}};
  if (!meta.is_null()) params["_meta"] = std::move(meta);
  return request("tools/call", std::move(params));
}

bool AppDriver::read_more(int timeout_ms) {
  pollfd poll_fd{from_server_, POLLIN, 0};
  if (poll(&poll_fd, 1, timeout_ms) <= 0) return true;
  char chunk[65536];
  const ssize_t n = read(from_server_, chunk, sizeof chunk);
  if (n <= 0) return false;
  buffer_.append(chunk, static_cast<std::size_t>(n));
  std::size_t end;
  while ((end = buffer_.find('\n')) != std::string::npos) {
    mcp::JsonBounds bounds = mcp::JsonBounds::standard();
    Result<Json> parsed = mcp::parse_json(std::string_view(buffer_).substr(0, end), bounds);
    buffer_.erase(0, end + 1);
    if (!parsed) abort();  // every line of the server is JSON
    Json message = parsed.take();
    if (message.contains("id")) {
      const int id = message["id"].is_number() ? message["id"].get<int>() : 0;
      answers_[id] = std::move(message);
    } else {
      notifications_.push_back(std::move(message));
    }
  }
  return true;
}

Json AppDriver::answer(int id) {
  const auto end = Clock::now() + std::chrono::seconds(20);
  while (answers_.count(id) == 0 && Clock::now() < end) {
    if (!read_more(100)) break;
  }
  const auto found = answers_.find(id);
  return found == answers_.end() ? Json(nullptr) : found->second;
}

Json AppDriver::run(const std::string& tool, Json arguments) {
  const Json message = answer(call(tool, std::move(arguments)));
  return message.contains("result") ? message["result"] : Json(nullptr);
}

void AppDriver::read_for(double seconds) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end && read_more(10)) {
  }
}

std::vector<Json> AppDriver::notifications(const std::string& method) const {
  std::vector<Json> found;
  for (const Json& each : notifications_) {
    if (each["method"] == method) found.push_back(each["params"]);
  }
  return found;
}

void AppDriver::close_input() {
  if (to_server_ >= 0) close(to_server_);
  to_server_ = -1;
}

int AppDriver::exit_code() {
  const auto end = Clock::now() + std::chrono::seconds(20);
  while (!over_ && Clock::now() < end) {
    if (!read_more(10)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  while (read_more(0) && poll(nullptr, 0, 1) == 0 && !over_) {
  }
  return over_ ? exit_code_ : -1;
}

void AppDriver::tell_health(embed::RuntimeHealth health) {
  const std::lock_guard lock(runtime_->mutex);
  runtime_->told = std::move(health);
}

}  // namespace pyember::host
